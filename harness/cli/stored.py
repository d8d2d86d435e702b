"""`harness report|runs`: render what is stored; runs no model."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli.inventory import json_option, show
from harness.cli.options import margin_option, store_option, terms_options
from harness.errors import HarnessError, UsageError
from harness.registry import Registry, load_registry
from harness.request import Asked


def show_report(report: Mapping[str, Any], registry: Registry, format: str, output: Path | None = None) -> None:
    text = registry.reporters.get(format).render(report)
    try:
        if output is None:
            click.echo(text, nl=not text.endswith("\n"))
        else:
            output.write_text(text, encoding="utf-8")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise HarnessError(f"cannot write {output or 'the report'}: {error.strerror}") from None


@click.command()
@click.argument("run", required=False)
@click.option(
    "--format",
    "format",
    default="table",
    envvar="HARNESS_FORMAT",
    show_default=True,
    help="table, markdown, html, json or csv.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to a file.")
@terms_options
@margin_option
@store_option
def report(
    run: str | None,
    format: str,
    as_json: bool,
    output: Path | None,
    criteria: str | None,
    prices: Path | None,
    gpu: str | None,
    margin: float,
    store: Path,
) -> None:
    """Render a stored run (the latest, if none is named); runs no model."""
    from harness.report import build_report

    registry, format = load_registry(), "json" if as_json else format
    registry.reporters.get(format)
    show_report(
        build_report(existing(store), registry, run, margin, Asked(criteria, prices, gpu)), registry, format, output
    )


@click.command()
@json_option
@store_option
def runs(as_json: bool, store: Path) -> None:
    """Stored runs, oldest first."""
    import time

    rows = []
    found = existing(store)
    ended = {record.key: record.body["status"] for record in found.records("ended")}
    for record in found.records("run"):
        rows.append(
            {
                "run": record.key,
                "created": time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(record.created)),
                "task": record.body["task"]["name"],
                "cells": len(record.body["cells"]),
                "state": ended.get(record.key, "not finished"),
            }
        )
    show(rows, as_json)


def existing(store: Path) -> Any:
    from harness.store import FILE, Store

    try:
        found = (store / FILE).exists()
    except OSError as error:
        raise HarnessError(f"store {store}: {error.strerror}; give another --store") from None
    if not found:
        raise UsageError(f"no store at {store}; start a run with harness run, or name another --store")
    return Store(store, to_read=True)


commands: tuple[click.Command, ...] = (report, runs)
