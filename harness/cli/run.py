"""`harness run|report|runs`: start or resume a run, and render what is stored."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli.inventory import json_option, show
from harness.cli.progress import Progress
from harness.errors import HarnessError, UsageError
from harness.registry import Registry, load_registry
from harness.request import KEEP, MARGIN, Request

FINISHED_WITH_FAILURES = 3

store_option = click.option(
    "--store",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(".harness"),
    envvar="HARNESS_STORE",
    show_default=True,
    help="Folder that keeps runs.",
)

margin_option = click.option(
    "--margin",
    type=click.FloatRange(min=0, min_open=True),
    default=MARGIN,
    envvar="HARNESS_MARGIN",
    show_default=True,
    help="Points within which two arms are called equivalent.",
)


def _names(flag: str, text: str | None) -> tuple[str, ...]:
    names = tuple(name.strip() for name in (text or "").split(",") if name.strip())
    if text is not None and not names:
        raise UsageError(f"{flag} names nothing; leave it out for all")
    return names


def _seeds(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--seeds {text!r} must be whole numbers such as 0,1,2") from None


def _settings(pairs: tuple[str, ...]) -> dict[str, str]:
    settings = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"--set {pair!r} must be STEP.NAME=VALUE, such as full.lr=3e-5")
        settings[name.strip()] = value.strip()
    return settings


@click.command()
@click.option("--task", required=True, envvar="HARNESS_TASK", help="A bundled task's name, or a path to a task.toml.")
@click.option("--strategy", envvar="HARNESS_STRATEGY", help="Such as base,lora,rag:k=3,lora+rag; default: all.")
@click.option("--backend", envvar="HARNESS_BACKEND", help="Such as torch,keras; default: all installed.")
@click.option(
    "--model",
    "models",
    multiple=True,
    envvar="HARNESS_MODEL",
    help="[BACKEND:]ID, repeatable; default: each backend's own.",
)
@click.option("--seeds", default="0", envvar="HARNESS_SEEDS", show_default=True, help="Such as 0,1,2.")
@click.option("--limit", type=int, envvar="HARNESS_LIMIT", help="At most N rows per question set.")
@click.option("--per-label", type=int, envvar="HARNESS_PER_LABEL", help="At most N rows of each label to train on.")
@click.option(
    "--suite",
    "suites",
    multiple=True,
    metavar="TASK[=DATA]",
    envvar="HARNESS_SUITE",
    help="Ask another task's test questions too, repeatable.",
)
@click.option("--twins", envvar="HARNESS_TWINS", help="Ask about other people too: names,pronouns,origins,ages.")
@click.option(
    "--sizes", envvar="HARNESS_SIZES", help="Such as 10%,30%,100%: train on so much of the training data too."
)
@click.option(
    "--control", envvar="HARNESS_CONTROL", help="permuted: train on permuted labels too; nothing may be learnt."
)
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="STEP.NAME=VALUE",
    envvar="HARNESS_SET",
    help="A setting of a strategy, repeatable.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    envvar="HARNESS_TRIALS",
    help="Settings every arm tries on validation; default: settings as they are.",
)
@click.option(
    "--held",
    metavar="general|FILE",
    envvar="HARNESS_HELD",
    help="Texts, one a line: how much of them does training make a model forget?",
)
@click.option("--jobs", type=int, default=1, envvar="HARNESS_JOBS", show_default=True, help="Cells at once.")
@click.option(
    "--time-limit", type=float, default=3600.0, envvar="HARNESS_TIME_LIMIT", show_default=True, help="Seconds per cell."
)
@click.option(
    "--keep",
    type=click.Choice(KEEP),
    default="none",
    envvar="HARNESS_KEEP",
    show_default=True,
    help="Adaptations to keep.",
)
@click.option("--fresh", is_flag=True, help="Run everything again instead of resuming.")
@click.option("--dry-run", is_flag=True, help="Print the plan with an estimate per cell; load nothing.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="HARNESS_DATA",
    help="Where the task's data lies.",
)
@margin_option
@json_option
@store_option
def run(
    task: str,
    strategy: str | None,
    backend: str | None,
    models: tuple[str, ...],
    seeds: str,
    limit: int | None,
    per_label: int | None,
    suites: tuple[str, ...],
    twins: str | None,
    sizes: str | None,
    control: str | None,
    settings: tuple[str, ...],
    trials: int | None,
    held: str | None,
    jobs: int,
    time_limit: float,
    keep: str,
    fresh: bool,
    dry_run: bool,
    data: Path | None,
    margin: float,
    as_json: bool,
    store: Path,
) -> int:
    """Run a task through every strategy on every backend; the same command resumes."""
    from harness import api

    registry = load_registry()
    request = Request(
        task=task,
        strategies=_names("--strategy", strategy),
        backends=_names("--backend", backend),
        models=models,
        seeds=_seeds(seeds),
        limit=limit,
        per_label=per_label,
        suites=suites,
        twins=_names("--twins", twins),
        sizes=_names("--sizes", sizes),
        controls=_names("--control", control),
        settings=_settings(settings),
        trials=trials or 0,
        held=held,
        jobs=jobs,
        keep=keep,
        time_limit_s=time_limit,
        fresh=fresh,
        store=store,
        data=data,
    )
    if dry_run:
        _show_plan(request, registry, as_json)
        return 0
    with Progress() as progress:
        finished = api.run_request(request, registry, progress, margin=margin)
    _print(finished.report, registry, "json" if as_json else "table")
    return _exit_code(finished.report)


def _exit_code(report: Mapping[str, Any]) -> int:
    states = [cell["status"] for cell in report["cells"]]
    if any(state not in ("done", "skipped") for state in states):
        return FINISHED_WITH_FAILURES
    if "done" not in states:
        raise HarnessError("no cell could run; the reasons stand below the table")
    return 0


def _show_plan(request: Request, registry: Registry, as_json: bool) -> None:
    from harness import api

    rows: list[dict[str, Any]] = []
    made = api.plan(request, registry)
    for planned in made.cells:
        cell, expected = planned.cell, planned.cell.estimate
        rows.append(
            {
                "arm": planned.name,
                "seed": cell.seed,
                "status": cell.status,
                "estimated_s": None if expected is None or expected.wall_s is None else round(expected.wall_s, 1),
                "estimated_tokens": expected.tokens if expected else None,
                "estimated_flops": expected.flops if expected else None,
                "reason": cell.reason,
            }
        )
    if as_json:
        show(rows, True)
        return
    titles = {"estimated_s": "~s", "estimated_tokens": "~tokens", "estimated_flops": "~FLOPs"}
    show(({titles.get(name, name): _short(value) for name, value in row.items()} for row in rows), False)
    for name, why in made.unasked.items():
        click.echo(f"not asked: {name}: {why}")
    minutes = sum(row["estimated_s"] or 0.0 for row in rows) / 60
    click.echo(f"~ estimated from sizes, nothing was loaded; {len(rows)} cells, about {minutes:.0f} minutes in all")


def _short(value: Any) -> Any:
    """Large numbers as 1.2e+09: their magnitude is all that an estimate tells."""
    return f"{value:.2g}" if isinstance(value, int | float) and value >= 10_000 else value


def _print(report: Mapping[str, Any], registry: Registry, format: str, output: Path | None = None) -> None:
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
@margin_option
@store_option
def report(run: str | None, format: str, as_json: bool, output: Path | None, margin: float, store: Path) -> None:
    """Render a stored run (the latest, if none is named); runs no model."""
    from harness.report import build_report

    registry, format = load_registry(), "json" if as_json else format
    registry.reporters.get(format)
    _print(build_report(_existing(store), registry, run, margin), registry, format, output)


@click.command()
@json_option
@store_option
def runs(as_json: bool, store: Path) -> None:
    """Stored runs, oldest first."""
    import time

    rows = []
    found = _existing(store)
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


def _existing(store: Path) -> Any:
    from harness.store import FILE, Store

    try:
        found = (store / FILE).exists()
    except OSError as error:
        raise HarnessError(f"store {store}: {error.strerror}; give another --store") from None
    if not found:
        raise UsageError(f"no store at {store}; start a run with harness run, or name another --store")
    return Store(store, to_read=True)


commands: tuple[click.Command, ...] = (run, report, runs)
