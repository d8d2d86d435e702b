"""Joules by the hardware's own counters, the processor's (RAPL, Linux) and NVIDIA GPUs' (NVML), or by an estimate."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

from harness import gpus

RAPL = Path("/sys/class/powercap")
MICRO = 1e-6
JOULES_PER_KWH = 3.6e6


COUNTERS, CODECARBON = "counters", "codecarbon"
SOURCES = (COUNTERS, CODECARBON)


class Energy(Protocol):
    def joules(self) -> float | None:
        """What was used since it was made; None where it is not known."""
        ...


class EnergyMeter:
    """By counters; none that can be read, or one that cannot be read any more, leaves the whole unknown."""

    def __init__(self, rapl: Path = RAPL) -> None:
        self._counters = [*_processors(rapl), *((read, 0.0) for read in gpus.joules())]
        self._began = [read() for read, _ in self._counters]

    def joules(self) -> float | None:
        if not self._counters:
            return None
        total = 0.0
        for (read, wraps_at), began in zip(self._counters, self._began, strict=True):
            now = read()
            if began is None or now is None:
                return None
            total += now - began if now >= began else now - began + wraps_at
        return total


Counter = tuple[Callable[[], float | None], float]
"""Joules so far, and where it starts again from 0."""


def _processors(rapl: Path) -> Iterator[Counter]:
    for package in sorted(rapl.glob("intel-rapl:?")):
        wraps_at = _read(package / "max_energy_range_uj")
        if wraps_at is not None and _read(package / "energy_uj") is not None:
            yield functools.partial(_read, package / "energy_uj"), wraps_at


def _read(file: Path) -> float | None:
    try:
        return int(file.read_text(encoding="ascii")) * MICRO
    except (OSError, ValueError):
        return None


class Estimated:
    """By codecarbon: from how busy this process keeps the processor, and its memory, where counters tell nothing."""

    def __init__(self) -> None:
        _tracker().start_task()

    def joules(self) -> float | None:
        return float(_tracker().stop_task().energy_consumed) * JOULES_PER_KWH


@functools.cache
def _tracker() -> Any:
    """One for the process: it looks at the hardware for seconds before it first tells anything."""
    from codecarbon import OfflineEmissionsTracker

    # The country tells emissions, which are not asked for; nothing is written, and nobody is asked over the network.
    return OfflineEmissionsTracker(
        country_iso_code="USA",
        tracking_mode="process",
        save_to_file=False,
        log_level="critical",
        allow_multiple_runs=True,
    )


def meters(source: str) -> Callable[[], Energy]:
    return Estimated if source == CODECARBON else EnergyMeter
