"""`harness.toml` beside the work: defaults for options, below flags and HARNESS_* variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from harness.errors import UsageError, unknown
from harness.toml import read_toml

FILE = Path("harness.toml")


def read_defaults(group: click.Group, file: Path = FILE) -> dict[str, Any]:
    """Click's default map: command -> parameter -> value; raises `UsageError` for a name that is none."""
    defaults = {}
    for section, values in read_toml(file, str(file), may_miss=True).items():
        command = group.commands.get(section)
        if command is None:
            raise UsageError(f"{file}: {unknown('section', section, group.commands)}")
        if not isinstance(values, dict):
            raise UsageError(f"{file}: [{section}] must be a table")
        defaults[section] = _parameters(command, section, values, file)
    return defaults


def _parameters(command: click.Command, section: str, values: dict[str, Any], file: Path) -> dict[str, Any]:
    options = {
        flag.removeprefix("--"): parameter
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for flag in parameter.opts
        if flag.startswith("--")
    }
    found = {}
    for name, value in values.items():
        if name not in options:
            raise UsageError(f"{file}: [{section}]: {unknown('option', name, options)}")
        option = options[name]
        if option.multiple and isinstance(value, dict):
            value = [f"{key}={each}" for key, each in _flat(value)]
        elif isinstance(value, dict):
            raise UsageError(f"{file}: [{section}]: {name} must be a value, not a table")
        elif option.multiple:  # click would take a text for a list of its letters
            value = [str(each) for each in value] if isinstance(value, list) else [str(value)]
        elif isinstance(value, list):
            value = ",".join(map(str, value))
        found[str(option.name)] = value
    return found


def _flat(table: dict[str, Any], before: str = "") -> list[tuple[str, Any]]:
    """`set.full.lr = 1` as well as `set = {"full.lr" = 1}`."""
    pairs: list[tuple[str, Any]] = []
    for key, value in table.items():
        pairs += _flat(value, f"{before}{key}.") if isinstance(value, dict) else [(before + key, value)]
    return pairs
