"""`harness plugins new`: a folder that installs, passes its tests and shows up in a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from harness.cli.inventory import json_option
from harness.errors import UsageError
from harness.registry import Catalogue, load_registry
from harness.scaffold import PluginKind, new_plugin


@click.command()
@click.argument("name")
@click.option("--kind", type=click.Choice([kind.value for kind in PluginKind]), required=True, help="What it adds.")
@json_option
def new(name: str, kind: str, as_json: bool) -> None:
    """Write a new plugin into the folder NAME: a working example, its tests and a README.

    Nothing that exists is ever overwritten.
    """
    registry = load_registry()
    catalogues: dict[PluginKind, Catalogue[Any]] = {
        PluginKind.BACKEND: registry.backends,
        PluginKind.STRATEGY: registry.strategies,
        PluginKind.TASK: registry.tasks,
        PluginKind.MEASURE: registry.measures,
        PluginKind.REPORT: registry.reporters,
    }
    offered = catalogues[PluginKind(kind)]
    if name in offered.specs or name.replace("-", "_") in offered.specs:
        raise UsageError(f"plugin name {name!r}: there is a {kind} of that name already; choose another")
    if name.replace("_", "-") in {plugin.name for plugin in registry.plugins}:
        raise UsageError(f"plugin name {name!r}: a plugin of that name is installed already; choose another")
    made = new_plugin(name, PluginKind(kind), Path())
    if as_json:
        document = {"name": made.name, "kind": made.kind, "folder": str(made.folder), "files": made.files}
        click.echo(json.dumps({**document, "next": made.next}, indent=2))
        return
    for file in made.files:
        click.echo(made.folder / file)
    click.echo("next:", err=True)
    for step in made.next:
        click.echo(f"    {step}", err=True)
