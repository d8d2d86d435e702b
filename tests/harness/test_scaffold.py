"""A stranger's plugin: written, installed, tested and run without a change to us; what the doctor says of bad ones."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.cli.scaffold import new
from harness.errors import UsageError
from harness.registry import load_registry
from harness.scaffold import PluginKind, new_plugin, rendered
from harness.testing import BackendKit, tiny_task
from tests.conftest import REPOSITORY

DOCUMENTED = re.compile(r"^`([\w./]+)`\n\n```\w+\n(.*?)^```", re.MULTILINE | re.DOTALL)
EXAMPLE = REPOSITORY / "examples" / "plugin_nearest"
MOST_LINES = 80


def documented() -> dict[str, str]:
    """The files of the backend in docs/plugins.md, as a reader would copy them."""
    return dict(DOCUMENTED.findall((REPOSITORY / "docs" / "plugins.md").read_text(encoding="utf-8")))


def test_the_documented_backend_is_what_the_command_writes() -> None:
    files = documented()
    written = rendered("wordbag", PluginKind.BACKEND)
    assert files == {path: text for path, text in written.items() if path != "README.md"}
    code = [line for path, text in files.items() if path.startswith("wordbag/") for line in text.splitlines()]
    assert len([line for line in code if line.strip()]) < MOST_LINES


@pytest.fixture
def _forgotten() -> Iterator[None]:
    """What was imported from a test's own folder is gone for the next one."""
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "wordbag"]:
        del sys.modules[name]


@pytest.mark.usefixtures("_forgotten")
def test_the_documented_backend_passes_the_tests_that_it_inherits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, all but the run; that and a real installation are tried with the other slow tests."""
    for path, text in documented().items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    import wordbag  # type: ignore[import-not-found]

    kit = type("Kit", (BackendKit,), {"spec": next(iter(wordbag.harness_backends()))})()
    kit.test_its_spec_can_be_used("words")
    kit.test_an_offered_answer_works("words", "choice")
    kit.test_tuning_learns_and_tells_how("words", "choice", "full")


@pytest.mark.parametrize("kind", list(PluginKind))
def test_every_kind_is_written_and_parses(tmp_path: Path, kind: PluginKind) -> None:
    made = new_plugin("my-plugin", kind, tmp_path)
    assert {"pyproject.toml", "README.md", "my_plugin/__init__.py", "tests/test_my_plugin.py"} <= set(made.files)
    for file in made.files:
        text = (made.folder / file).read_text(encoding="utf-8")
        assert "{{" not in text
        if file.endswith(".py"):
            assert max(map(len, text.splitlines())) <= 120
            compile(text, file, "exec")


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("years of it")
    with pytest.raises(UsageError, match="is there already"):
        new_plugin("mine", PluginKind.BACKEND, tmp_path)
    (tmp_path / "dangling").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match="is there already"):
        new_plugin("dangling", PluginKind.BACKEND, tmp_path)
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["work.txt"]


@pytest.mark.parametrize(
    "name",
    ["", "../out", "a/b", "Upper", "1st", "my.plugin", "a--b", "x" * 60, "class", "json", "numpy", "a\nb", "{{x}}"],
)
def test_a_name_that_cannot_be_one_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as told:
        new_plugin(name, PluginKind.TASK, tmp_path)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


# -- what the doctor says ----------------------------------------------------------------------------------

BAD = {
    "bad_import": ("import no_such_module_at_all\n", "cannot be imported: ModuleNotFoundError: No module named"),
    "bad_version": ("HARNESS_API = 99\n", "written for plugin API 99, this harness has 1"),
    "bad_name": ("from harness.plugin import NoSuchThing\n", "it may be written for another plugin API"),
    "bad_hook": (
        "from harness.plugin import hookimpl\n\n\n@hookimpl\ndef harness_backend():\n    return []\n",
        "unknown hook 'harness_backend'; did you mean 'harness_backends'?",
    ),
    "bad_mark": ("def harness_backends():\n    return []\n", "harness_backends is not marked with @hookimpl"),
}


def distribution(site: Path, name: str, source: str, entry: str = "") -> None:
    """What pip leaves of an installed package."""
    (site / f"{name}.py").write_text(source, encoding="utf-8")
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[harness]\n{entry or name} = {name}\n")


def test_the_doctor_has_one_line_for_each_bad_plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (source, _) in BAD.items():
        distribution(tmp_path, name, source)
    distribution(tmp_path, "another_torch", "", entry="torch")
    distribution(tmp_path, "same_strategy", SAME_STRATEGY)
    monkeypatch.syspath_prepend(str(tmp_path))
    plugins = load_registry().plugins
    told = [plugin.problem for plugin in plugins if plugin.problem]
    expected = [problem for _, problem in BAD.values()]
    expected += ["both offer strategy 'lora'", "has a plugin called 'torch' already"]
    for problem in expected:
        assert sum(problem in found for found in told) == 1, problem
    assert len(told) == len(expected)
    assert sum(plugin.name == "torch" for plugin in plugins) == 2, "both are listed"


SAME_STRATEGY = """
from harness.plugin import StrategySpec, hookimpl


@hookimpl
def harness_strategies():
    return [StrategySpec("lora", "", "weights", "nowhere:nothing")]
"""


# -- installed, as a stranger would --------------------------------------------------------------------------


@pytest.fixture
def clean(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs a program of an environment of its own, in which one plugin is installed beside what we need."""
    environment = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    (site,) = (environment / "lib").glob("python*/site-packages")
    ours = Path(next(path for path in sys.path if path.endswith("site-packages")))
    (site / "ours.pth").write_text(f"import site; site.addsitedir({str(ours)!r})\n")

    def run(*arguments: object, cwd: Path = tmp_path) -> subprocess.CompletedProcess[str]:
        outside = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "PYTEST"))}
        program = [str(environment / "bin" / "python"), "-P", "-m", *map(str, arguments)]
        return subprocess.run(program, capture_output=True, text=True, cwd=cwd, env=outside, timeout=300)

    return run


def install(run: Callable[..., subprocess.CompletedProcess[str]], folder: Path) -> None:
    """Needs no network: what it builds with and depends on is there."""
    done = run("pip", "install", "--quiet", "--no-deps", "--no-build-isolation", folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.chaos
@pytest.mark.parametrize("kind", list(PluginKind))
def test_from_the_command_to_passing_tests(
    clean: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path, kind: PluginKind
) -> None:
    made = clean("harness", "plugins", "new", "brand-new", "--kind", kind, "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["folder"] == "brand-new"
    install(clean, tmp_path / "brand-new")
    tested = clean("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / "brand-new")
    assert tested.returncode == 0, tested.stdout
    assert "brand-new" in clean("harness", "plugins", "list").stdout
    assert clean("harness", "plugins", "doctor").returncode == 0
    task = tiny_task(tmp_path)
    plugin = {PluginKind.BACKEND: ("--backend", "brand-new", "--strategy", "base,full")}
    plugin[PluginKind.STRATEGY] = ("--strategy", "brand-new")
    options = plugin.get(kind, ("--strategy", "majority"))
    ran = clean("harness", "run", "--task", "brand-new" if kind is PluginKind.TASK else task, *options, "--json")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    if kind is PluginKind.BACKEND:
        assert {row["backend"] for row in report["table"]} == {"brand-new"}
        assert len(report["table"]) == 2
    elif kind is PluginKind.STRATEGY:
        assert [row["strategy"] for row in report["table"]] == ["brand-new"]
    elif kind is PluginKind.MEASURE:
        assert report["table"][0]["measurements"]["brand_new"]["value"] > 0
    elif kind is PluginKind.REPORT:
        assert "majority@none: accuracy" in clean("harness", "report", "--format", "brand-new").stdout
    else:
        assert report["run"]["task"]["name"] == "brand-new"


@pytest.mark.chaos
def test_the_example_of_a_strangers_plugin_runs_on_a_strangers_backend(
    clean: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "example", ignore=shutil.ignore_patterns("__pycache__"))
    new_plugin("wordbag", PluginKind.BACKEND, tmp_path)
    for folder in ("example", "wordbag"):
        install(clean, tmp_path / folder)
    listed = json.loads(clean("harness", "plugins", "list", "--json").stdout)
    assert {"nearest", "wordbag"} <= {plugin["name"] for plugin in listed if plugin["problem"] is None}
    tested = clean("pytest", "-q", "-p", "no:cacheprovider", cwd=tmp_path / "example")
    assert tested.returncode == 0, tested.stdout
    ran = clean(
        "harness", "run", "--task", tiny_task(tmp_path), "--strategy", "nearest:k=1", "--backend", "wordbag", "--json"
    )
    assert ran.returncode == 0, ran.stderr
    (row,) = json.loads(ran.stdout)["table"]
    assert row["arm"] == "nearest:k=1@wordbag:words"
    assert row["measurements"]["accuracy"]["value"] > 50


def test_the_command_writes_where_it_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    made = CliRunner().invoke(new, ["brand-new", "--kind", "report", "--json"])
    assert made.exit_code == 0, made.output
    document = json.loads(made.output)
    assert document["next"][:2] == ["cd brand-new", "pip install -e '.[test]'"]
    assert all((tmp_path / document["folder"] / file).is_file() for file in document["files"])
    listed = CliRunner().invoke(new, ["another", "--kind", "task"])
    assert "another/another/__init__.py" in listed.output.splitlines()
    for name, told in (("brand-new", "is there already"), ("lora", "there is a strategy of that name already")):
        with pytest.raises(UsageError, match=told):
            CliRunner().invoke(new, [name, "--kind", "strategy"], catch_exceptions=False)
