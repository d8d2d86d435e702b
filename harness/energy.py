"""Joules by the hardware's own counters: the processor's (RAPL, Linux) and NVIDIA GPUs' (NVML); None without any."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import gpus

RAPL = Path("/sys/class/powercap")
MICRO = 1e-6


class EnergyMeter:
    """What was used since it was made; a counter that cannot be read leaves the whole unknown."""

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
