"""A broken plugin is listed with its reason and harms nobody."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from harness.contracts import TaskSpec
from harness.errors import MissingDependency, UsageError
from harness.plugin import hookimpl
from harness.registry import load_registry, require


class Offers:
    def __init__(self, name: str) -> None:
        self.name = name

    @hookimpl
    def harness_tasks(self) -> list[TaskSpec]:
        from pathlib import Path

        return [TaskSpec(self.name, "", Path("nowhere"))]


class Misspelt:
    @hookimpl
    def harness_taks(self) -> list[TaskSpec]:
        return []


class Raises:
    @hookimpl
    def harness_tasks(self) -> list[TaskSpec]:
        raise RuntimeError("out of order")


def test_first_party_plugins_load_through_entry_points() -> None:
    registry = load_registry()
    assert {plugin.problem for plugin in registry.plugins} == {None}
    assert "legal-qa" in registry.tasks.specs


def test_a_name_clash_names_both_plugins() -> None:
    registry = load_registry([("one", Offers("same")), ("two", Offers("same"))])
    problems = [plugin.problem for plugin in registry.plugins if plugin.problem]
    assert len(problems) == 1
    assert "'one'" in problems[0]
    assert "'two'" in problems[0]
    assert "same" in registry.tasks.specs


def test_a_hook_that_raises_is_blamed_alone() -> None:
    registry = load_registry([("bad", Raises()), ("good", Offers("fine"))])
    assert "fine" in registry.tasks.specs
    assert [p.name for p in registry.plugins if p.problem and "out of order" in p.problem] == ["bad"]


def test_broken_entry_points_are_isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "tests_broken_plugins"
    holder = type(sys)(module)
    holder.misspelt = Misspelt()  # type: ignore[attr-defined]
    holder.old = type("Old", (), {"HARNESS_API": 99})()  # type: ignore[attr-defined]
    holder.good = Offers("fine")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, holder)
    entries = [
        metadata.EntryPoint("absent", "no_such_module_at_all", "harness"),
        metadata.EntryPoint("misspelt", f"{module}:misspelt", "harness"),
        metadata.EntryPoint("old", f"{module}:old", "harness"),
        metadata.EntryPoint("good", f"{module}:good", "harness"),
    ]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)
    registry = load_registry()
    problems = {plugin.name: plugin.problem or "" for plugin in registry.plugins}
    assert "No module named 'no_such_module_at_all'" in problems["absent"]
    assert "harness_taks" in problems["misspelt"]
    assert "plugin API 99" in problems["old"]
    assert problems["good"] == ""
    assert list(registry.tasks.specs) == ["fine"]


class WrongArguments:
    @hookimpl
    def harness_event(self, evnt: object) -> None:
        """Misspells its argument."""


class WrongSpecs:
    @hookimpl
    def harness_tasks(self) -> list[str]:
        return ["no spec"]


class BadPrices:
    @hookimpl
    def harness_prices(self) -> list[str]:
        raise RuntimeError("no prices today")


def test_what_a_plugin_gets_wrong_is_one_line_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    module = "tests_wrong_plugins"
    holder = type(sys)(module)
    holder.arguments, holder.specs, holder.prices = WrongArguments(), WrongSpecs(), BadPrices()  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module, holder)
    named = {"arguments": "arguments", "prices": "prices", "specs": "specs", "twice": "specs"}
    entries = [metadata.EntryPoint(name, f"{module}:{value}", "harness") for name, value in named.items()]
    monkeypatch.setattr(metadata, "entry_points", lambda group: entries)
    registry = load_registry()
    problems = {plugin.name: plugin.problem or "" for plugin in registry.plugins}
    assert "with other arguments" in problems["arguments"]
    assert "no prices today" in problems["prices"]
    assert "must return TaskSpecs, not str" in problems["specs"]
    assert "is loaded already as 'specs'" in problems["twice"]
    assert list(registry.prices) == []


def test_a_plugin_that_exits_on_import_is_listed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "tests_exiting_plugin.py").write_text("raise SystemExit('no licence')")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: [metadata.EntryPoint("exits", "tests_exiting_plugin", "harness")]
    )
    (plugin,) = load_registry().plugins
    assert "no licence" in (plugin.problem or "")


def test_any_file_of_a_plugins_package_changes_its_hash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = tmp_path / "tests_hashed"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "hooks.py").write_text("")
    (package / "steps.py").write_text("A = 1")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: [metadata.EntryPoint("hashed", "tests_hashed.hooks", "harness")]
    )
    before = load_registry().source_of("hashed")
    (package / "steps.py").write_text("A = 2")
    assert before
    assert load_registry().source_of("hashed") != before


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'legal-qa'"):
        load_registry().tasks.get("legal-qq")


def test_listing_plugins_imports_no_framework() -> None:
    heavy = [
        "torch",
        "tensorflow",
        "keras",
        "transformers",
        "datasets",
        "pandas",
        "sentence_transformers",
        "faiss",
        "peft",
        "sklearn",
    ]
    code = (
        "import sys; from harness.registry import load_registry, require; import harness.cli; load_registry();"
        f"print([m for m in {heavy!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["no_such_package", "no_such_package.part", "json.no_such_part"])
def test_what_is_not_installed_is_told_with_the_line_to_type(module: str) -> None:
    with pytest.raises(MissingDependency, match=r"'x' needs .*: pip install 'adapt-harness\[extra\]'"):
        require("x", ["json", module], "extra")
