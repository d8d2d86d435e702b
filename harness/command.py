"""A request as the command that makes it again."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from harness.energy import COUNTERS
from harness.request import Request

JOINED = {
    "strategies": "--strategy",
    "backends": "--backend",
    "twins": "--twins",
    "sizes": "--sizes",
    "controls": "--control",
}
REPEATED = {"models": "--model", "suites": "--suite"}
SINGLE = {
    "limit": "--limit",
    "per_label": "--per-label",
    "trials": "--trials",
    "held": "--held",
    "on": "--on",
    "max_cost_usd": "--max-cost",
    "max_gpu_hours": "--max-gpu-hours",
    "data": "--data",
}
"""What shapes results or ends a run early; how many cells run at once, or where the store is, does not."""


def command(request: Request) -> str:
    return shlex.join(["harness", "run", "--task", request.task, *_flags(request)])


def _flags(request: Request) -> Iterator[str]:
    for name, flag in JOINED.items():
        if values := getattr(request, name):
            yield from (flag, ",".join(values))
    for name, flag in REPEATED.items():
        for value in getattr(request, name):
            yield from (flag, value)
    if request.seeds != (0,):
        yield from ("--seeds", ",".join(map(str, request.seeds)))
    for setting, value in request.settings.items():
        yield from ("--set", f"{setting}={value}")
    for name, flag in SINGLE.items():
        if value := getattr(request, name):
            yield from (flag, str(value))
    if request.energy != COUNTERS:
        yield from ("--energy", request.energy)
    for name in ("allow_spend", "allow_personal"):
        if getattr(request, name):
            yield f"--{name.replace('_', '-')}"
    for name in ("criteria", "prices", "gpu"):
        if value := getattr(request.asked, name):
            yield from (f"--{name}", str(value))
