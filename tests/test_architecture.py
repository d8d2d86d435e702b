"""The rules of the house that a reader should be able to rely on: directions, lightness, sizes, names."""

from __future__ import annotations

import ast
import functools
import inspect
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness import hookspecs
from tests.conftest import REPOSITORY

CORE = REPOSITORY / "harness"
PLUGINS = sorted(path for path in (REPOSITORY / "plugins").iterdir() if (path / "__init__.py").exists())
SHELVES = [*PLUGINS, REPOSITORY / "tasks" / "harness_tasks", REPOSITORY / "reports" / "harness_reports"]
HEAVY = (
    "torch",
    "tensorflow",
    "keras",
    "transformers",
    "datasets",
    "pandas",
    "peft",
    "faiss",
    "sentence_transformers",
    "vl_convert",
)
FRAMEWORKS = (*HEAVY, "sklearn")
LAYERS = (
    ("cli",),
    ("api", "view"),
    ("execute",),
    ("assets", "keep", "hiring", "quality", "caps", "spending", "purses", "record", "orphans", "sharing"),
    ("snapshot", "report", "rates", "noted"),
    ("learning", "judgement", "budget"),
    ("compare", "decide"),
    ("plan", "command", "terms"),
    ("request", "planned", "trainings", "estimate", "worker", "zygote", "processes", "leases", "elsewhere"),
    ("cell", "search", "held"),
    (
        *("registry", "sampling", "suites", "twins", "find", "taskfile", "events", "scaffold"),
        *(
            "store",
            "stored",
            "evidence",
            "stats",
            "seeds",
            "confidence",
            "meter",
            "energy",
            "gpus",
            "machine",
            "checks",
        ),
        *("sound", "prices", "ownership", "criteria", "shaping"),
    ),
    ("codec", "channel"),
    ("hookspecs", "plugin"),
    (
        "contracts",
        "reporting",
        "items",
        "later",
        "kinds",
        "models",
        "prompts",
        "training",
        "session",
        "keys",
        "safetext",
        "naming",
        "flops",
        "remote",
    ),
    ("toml",),
    ("types", "errors"),
)
"""Top to bottom: a module imports from its own line or below. `testing` and the package root stand above."""
BUILDS_ON = {"harness_azure": {"harness_openai"}}
"""A plugin whose service speaks another's API takes that plugin's code rather than a copy; one wheel brings both."""
LONGEST_MODULE = 350
ALLOWED = {("api.py", "pandas"), ("shortcuts.py", "sklearn"), ("label_errors.py", "sklearn"), ("splits.py", "datasets")}
"""Imported only by the functions that need them: the notebook's frame, the checks of a task, a task from the hub."""


def modules(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if "__pycache__" not in path.parts)


@functools.cache
def imported(path: Path, *, at_run_time: bool = True) -> set[str]:
    """Names of imported modules; those under TYPE_CHECKING do not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    skipped = {
        id(node)
        for branch in ast.walk(tree)
        if at_run_time and isinstance(branch, ast.If) and "TYPE_CHECKING" in ast.unparse(branch.test)
        for node in ast.walk(branch)
    }
    names = set()
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def at_top(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in tree.body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def layer_of(name: str) -> int | None:
    return next((place for place, layer in enumerate(LAYERS) if name in layer), None)


def test_every_core_module_has_its_place() -> None:
    found = {path.relative_to(CORE).parts[0].removesuffix(".py") for path in modules(CORE)}
    placed = {name for layer in LAYERS for name in layer}
    assert found - {"__init__", "__main__", "testing"} == placed


@pytest.mark.parametrize("path", list(modules(CORE)), ids=lambda path: path.relative_to(CORE).as_posix())
def test_imports_point_one_way(path: Path) -> None:
    own = layer_of(path.relative_to(CORE).parts[0].removesuffix(".py"))
    if own is None:
        return
    for name in imported(path):
        parts = name.split(".")
        if parts[0] == "harness" and len(parts) > 1:
            other = layer_of(parts[1])
            assert other is not None
            assert own <= other, f"{path.name} imports {name}, which stands above it"


@pytest.mark.parametrize("path", list(modules(CORE)), ids=lambda path: path.relative_to(CORE).as_posix())
def test_the_core_names_no_plugin_and_no_framework(path: Path) -> None:
    for name in imported(path):
        top = name.split(".")[0]
        assert not top.startswith("harness_")
        assert top not in FRAMEWORKS or (path.name, top) in ALLOWED


@pytest.mark.parametrize("folder", SHELVES, ids=lambda path: path.name)
def test_plugins_import_the_core_and_one_another_only_as_declared(folder: Path) -> None:
    allowed = {folder.name, *BUILDS_ON.get(folder.name, ())}
    for path in modules(folder):
        for name in imported(path):
            top = name.split(".")[0]
            assert not top.startswith("harness_") or top in allowed, f"{path} imports {name}"


def test_a_plugins_init_is_light() -> None:
    """One after the other in one process: the first that is told is to blame."""
    look = f"""
import importlib, sys
told = []
for plugin in {[folder.name for folder in SHELVES]}:
    module = importlib.import_module(plugin)
    for name in dir(module):
        hook = getattr(module, name)
        if name.startswith("harness_") and callable(hook):
            list(hook())
    told += [f"{{plugin}} imports {{name}}" for name in {HEAVY} if name in sys.modules]
print("; ".join(told))
"""
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True).stdout
    assert shown.strip() == ""


@pytest.mark.parametrize("folder", [CORE, *SHELVES], ids=lambda path: path.name)
def test_modules_stay_small(folder: Path) -> None:
    for path in modules(folder):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST_MODULE, path


def test_the_wheel_has_only_our_packages() -> None:
    import tomllib

    built = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    names = {Path(package).name for package in built["packages"]}
    assert names == {"harness", *(folder.name for folder in SHELVES)}
    for shelf in ("plugins", "tasks", "reports"):
        assert not (REPOSITORY / shelf / "__init__.py").exists()


def test_every_entry_point_is_a_package_of_ours() -> None:
    import tomllib

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert set(project["entry-points"]["harness"].values()) == {folder.name for folder in SHELVES}


def test_every_hook_is_documented_with_its_signature() -> None:
    text = (REPOSITORY / "docs" / "plugins.md").read_text()
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("harness_"):
            signature = str(inspect.signature(hook)).replace("'", "")
            assert f"{name}{signature}" in text
