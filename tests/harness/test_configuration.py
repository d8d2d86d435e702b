"""`harness.toml` and the names of tasks: a value that cannot be used is one line, and never a traceback."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from harness.cli.configuration import read_defaults
from harness.errors import UsageError
from harness.find import task_path
from harness.registry import Registry


@click.command()
@click.option("--model", "models", multiple=True)
@click.option("--seeds")
@click.option("--set", "settings", multiple=True)
def run(models: tuple[str, ...], seeds: str, settings: tuple[str, ...]) -> None: ...


GROUP = click.Group(commands={"run": run})


def defaults(folder: Path, text: str) -> object:
    (folder / "harness.toml").write_text(text, encoding="utf-8")
    return read_defaults(GROUP, folder / "harness.toml")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[run]\nmodel = "torch:x"', {"models": ["torch:x"]}),
        ('[run]\nmodel = ["torch:x", "y"]', {"models": ["torch:x", "y"]}),
        ("[run]\nseeds = [0, 1]", {"seeds": "0,1"}),
        ('[run]\nset = "full.lr=1"', {"settings": ["full.lr=1"]}),
        ("[run]\nset.full.lr = 1", {"settings": ["full.lr=1"]}),
        ("\ufeff[run]\nseeds = 3", {"seeds": 3}),
    ],
)
def test_values_become_those_of_options(tmp_path: Path, text: str, expected: object) -> None:
    assert defaults(tmp_path, text) == {"run": expected}


def test_no_file_is_no_defaults(tmp_path: Path) -> None:
    assert read_defaults(GROUP, tmp_path / "harness.toml") == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run = 3", "[run] must be a table"),
        ("ran = 3", "unknown section 'ran'; did you mean 'run'?"),
        ("[run]\nsede = 1", "[run]: unknown option 'sede'; did you mean 'seeds'?"),
        ("[run]\nseeds = {a = 1}", "[run]: seeds must be a value, not a table"),
        ("a = " + "[" * 100_000, "not TOML: nested too deeply"),
        ("a = " + "9" * 5000, "not TOML: "),
        ("a = ", "not TOML: "),
    ],
)
def test_what_cannot_be_used_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError) as caught:
        defaults(tmp_path, text)
    assert f"harness.toml: {told}" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a" * 5000 + "/", "a" * 5000, "a" * 5000 + ".toml", "\0/"])
def test_a_name_that_no_file_can_have_is_one_short_line(registry: Registry, name: str) -> None:
    with pytest.raises(UsageError) as caught:
        task_path(registry, name)
    assert len(str(caught.value)) < 200
