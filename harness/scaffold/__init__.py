"""A new plugin: a folder that installs, passes its tests and shows up in a run, for its author to change."""

from __future__ import annotations

import importlib.util
import keyword
import re
import sys
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from harness import __version__
from harness.contracts import API_VERSION
from harness.errors import UsageError

TEMPLATES = Path(__file__).parent / "templates"
SUFFIX = ".jinja"
NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")
MAX_NAME = 40


class PluginKind(StrEnum):
    BACKEND = "backend"
    STRATEGY = "strategy"
    TASK = "task"
    MEASURE = "measure"
    REPORT = "report"


_SUMMARIES = {
    PluginKind.BACKEND: "A backend that counts words",
    PluginKind.STRATEGY: "A strategy that answers like the most alike training question",
    PluginKind.TASK: "A task: letters to a shop, sorted by what they are about",
    PluginKind.MEASURE: "A measure of how sure an arm is",
    PluginKind.REPORT: "A report of one line per arm",
}
_TRIALS = {
    PluginKind.BACKEND: "harness run --task legal-qa --backend {name} --strategy base,full",
    PluginKind.STRATEGY: "harness run --task legal-qa --strategy majority,{name}",
    PluginKind.TASK: "harness run --task {name} --strategy majority,tfidf",
    PluginKind.MEASURE: "harness run --task legal-qa --strategy majority,tfidf && harness report --format csv",
    PluginKind.REPORT: "harness run --task legal-qa --strategy majority,tfidf && harness report --format {name}",
}


@dataclass(frozen=True, slots=True)
class Scaffold:
    """What was written, and what to type next."""

    name: str
    kind: PluginKind
    folder: Path
    files: tuple[str, ...]
    next: tuple[str, ...]


def new_plugin(name: str, kind: PluginKind, parent: Path) -> Scaffold:
    """Write the folder `name` in `parent`; raises `UsageError` rather than overwrite anything."""
    _check(name)
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise UsageError(f"{folder} is there already; choose another name, or remove it first")
    files = rendered(name, kind)
    try:
        folder.mkdir(parents=True)
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror or error}") from None
    steps = (f"cd {name}", "pip install -e '.[test]'", "pytest", _TRIALS[kind].format(name=name))
    return Scaffold(name, kind, folder, tuple(files), steps)


def rendered(name: str, kind: PluginKind) -> dict[str, str]:
    """Every file of a new plugin by its path, in alphabetical order."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    package = name.replace("-", "_")
    words = {
        "name": name,
        "kind": kind.value,
        "package": package,
        "identifier": package,
        "distribution": name.replace("_", "-"),
        "title": "".join(part.title() for part in package.split("_")),
        "summary": _SUMMARIES[kind],
        "try_it": _TRIALS[kind].format(name=name),
        "version": __version__,
        "api": API_VERSION,
    }
    files = {}
    for shelf in (TEMPLATES / "every", TEMPLATES / kind):
        # Nothing is escaped: what is written is TOML and Python, and the name is a word (see `NAME`).
        environment = Environment(
            loader=FileSystemLoader(shelf), undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False
        )
        for template in environment.list_templates():
            path = template.removesuffix(SUFFIX).replace("test_package", f"test_{package}")
            path = re.sub(r"^package/", f"{package}/", path)
            files[path] = environment.get_template(template).render(words)
    return dict(sorted(files.items()))


def _check(name: str) -> None:
    """Raises `UsageError` for what can be no plugin's name."""
    if not NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise UsageError(
            f"plugin name {name[:MAX_NAME]!r} must be lower-case letters and digits, words joined by - or _, such as "
            f"my-backend (at most {MAX_NAME})"
        )
    package = name.replace("-", "_")
    if keyword.iskeyword(package) or package in sys.stdlib_module_names:
        raise UsageError(f"plugin name {name!r} is a word of Python's own; choose another")
    if importlib.util.find_spec(package) is not None:
        raise UsageError(f"plugin name {name!r}: a module {package!r} is installed already; choose another")
