"""`harness run`: start or resume a run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from harness.cli.dry import show_plan
from harness.cli.inventory import json_option
from harness.cli.options import margin_option, store_option, terms_options
from harness.cli.progress import Progress
from harness.cli.remote import detach_or_cancel
from harness.cli.stored import show_report
from harness.energy import COUNTERS, SOURCES
from harness.errors import HarnessError, UsageError
from harness.registry import load_registry
from harness.request import KEEP, Asked, Request

FINISHED_WITH_FAILURES = 3


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
@click.option(
    "--on",
    metavar="SERVICE:FLAVOR",
    envvar="HARNESS_ON",
    help="Hire a machine for each cell that would run here, such as huggingface:l4x1; with --allow-spend.",
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
@click.option(
    "--energy",
    type=click.Choice(SOURCES),
    default=COUNTERS,
    envvar="HARNESS_ENERGY",
    show_default=True,
    help="By the hardware's counters, or as codecarbon estimates it.",
)
@click.option("--fresh", is_flag=True, help="Run everything again instead of resuming.")
@click.option("--dry-run", is_flag=True, help="Print the plan with an estimate per cell; load nothing.")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    envvar="HARNESS_DATA",
    help="Where the task's data lies.",
)
@click.option("--max-cost", type=float, envvar="HARNESS_MAX_COST", help="US dollars at which the run stops.")
@click.option("--max-gpu-hours", type=float, envvar="HARNESS_MAX_GPU_HOURS", help="Hours of GPUs at which it stops.")
@click.option(
    "--allow-spend",
    is_flag=True,
    envvar="HARNESS_ALLOW_SPEND",
    help="Ask services, which charge for it; with --max-cost.",
)
@click.option(
    "--allow-personal",
    is_flag=True,
    envvar="HARNESS_ALLOW_PERSONAL",
    help="Send them texts that seem to hold personal data too.",
)
@terms_options
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
    on: str | None,
    jobs: int,
    time_limit: float,
    keep: str,
    energy: str,
    fresh: bool,
    dry_run: bool,
    data: Path | None,
    max_cost: float | None,
    max_gpu_hours: float | None,
    allow_spend: bool,
    allow_personal: bool,
    criteria: str | None,
    prices: Path | None,
    gpu: str | None,
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
        on=on,
        jobs=jobs,
        keep=keep,
        energy=energy,
        time_limit_s=time_limit,
        fresh=fresh,
        store=store,
        data=data,
        max_cost_usd=max_cost,
        max_gpu_hours=max_gpu_hours,
        allow_spend=allow_spend,
        allow_personal=allow_personal,
        asked=Asked(criteria, prices, gpu),
    )
    if dry_run:
        show_plan(request, registry, as_json)
        return 0
    try:
        with Progress() as progress:
            finished = api.run_request(request, registry, progress, margin=margin)
    except KeyboardInterrupt:
        detach_or_cancel(registry, store)
        raise
    show_report(finished.report, registry, "json" if as_json else "table")
    return _exit_code(finished.report)


def _exit_code(report: Mapping[str, Any]) -> int:
    states = [cell["status"] for cell in report["cells"]]
    if any(state not in ("done", "skipped") for state in states):
        return FINISHED_WITH_FAILURES
    if "done" not in states:
        raise HarnessError("no cell could run; the reasons stand below the table")
    return 0


commands: tuple[click.Command, ...] = (run,)
