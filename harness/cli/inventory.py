"""`harness backends|strategies|measures` and `harness plugins list|doctor`: what is installed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import click

from harness.registry import Registry, is_there, load_registry
from harness.safetext import one_line

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")


def show(rows: Iterable[Mapping[str, Any]], as_json: bool) -> None:
    rows = list(rows)
    if as_json:
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=True)
    for column in rows[0] if rows else ():
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(one_line("" if value is None else str(value))) for value in row.values()))
    Console().print(table)


@click.command()
@json_option
def backends(as_json: bool) -> None:
    """Mechanisms that run a model."""
    registry = load_registry()
    show((_backend(registry, name) for name in registry.backends.specs), as_json)


def _backend(registry: Registry, name: str) -> dict[str, Any]:
    spec = registry.backends.get(name)
    missing = [module for module in spec.requires if not is_there(module)]
    how = f"needs {', '.join(missing)}: pip install 'adapt-harness[{spec.extra}]'" if missing else "ready"
    return {
        "name": name,
        "summary": spec.summary,
        "default_model": spec.default_model or "none: name one",
        "state": how,
    }


@click.command()
@json_option
def strategies(as_json: bool) -> None:
    """Ways of adapting a model; context and weight strategies join with '+'."""
    registry = load_registry()
    rows = []
    for spec in registry.strategies:
        settings = {f"{spec.name}.{key}": asdict(setting) for key, setting in spec.settings.items()}
        shown = settings if as_json else ", ".join(f"{key}={each['default']}" for key, each in settings.items())
        rows.append({"name": spec.name, "role": spec.role, "summary": spec.summary, "settings": shown})
    show(rows, as_json)


@click.command()
@json_option
def measures(as_json: bool) -> None:
    """Pure functions of stored evidence."""
    show(({"name": spec.name, "summary": spec.summary} for spec in load_registry().measures), as_json)


@click.group()
def plugins() -> None:
    """What is installed, what is wrong with it, and a new one."""


@plugins.command("list")
@json_option
def list_plugins(as_json: bool) -> None:
    """Every plugin found through entry points."""
    rows = [asdict(plugin) for plugin in load_registry().plugins]
    if not as_json:
        for row in rows:
            row["problem"] = row["problem"] or "ok"
    show(rows, as_json)


@plugins.command()
@json_option
def doctor(as_json: bool) -> int:
    """One line for each plugin that cannot be used; exit 1 if there is any."""
    broken = [plugin for plugin in load_registry().plugins if plugin.problem]
    if as_json:
        show([asdict(plugin) for plugin in broken], True)
    else:
        for plugin in broken:
            click.echo(f"{plugin.name} ({plugin.distribution} {plugin.version}): {one_line(plugin.problem or '')}")
        if not broken:
            click.echo("all plugins load")
    return 1 if broken else 0


commands: tuple[click.Command, ...] = (backends, strategies, measures, plugins)
