"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from harness.request import MARGIN

F = TypeVar("F", bound=Callable[..., Any])

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

prices_option = click.option(
    "--prices",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    envvar="HARNESS_PRICES",
    help="A price list of your own (TOML), which beats the others.",
)

gpu_option = click.option(
    "--gpu",
    metavar="[PROVIDER/]NAME",
    envvar="HARNESS_GPU",
    help="The GPU onto which training is projected where none ran, such as aws/T4.",
)

criteria_option = click.option(
    "--criteria",
    metavar="NAME=VALUE,...|FILE.toml",
    envvar="HARNESS_CRITERIA",
    help="What a good choice must fulfil, such as least_accuracy=80,most_latency_p95_ms=50.",
)


def terms_options(command: F) -> F:
    """On what terms a run is judged: declared before it, or asked of its report."""
    return criteria_option(prices_option(gpu_option(command)))
