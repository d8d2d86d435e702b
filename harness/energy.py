"""Joules by the hardware's own counters: the processor's (RAPL, Linux) and NVIDIA GPUs' (NVML); None without any."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

RAPL = Path("/sys/class/powercap")
NVIDIA = Path("/proc/driver/nvidia/gpus")
MICRO, MILLI = 1e-6, 1e-3


class EnergyMeter:
    """What was used since it was made; a counter that cannot be read leaves the whole unknown."""

    def __init__(self, rapl: Path = RAPL) -> None:
        self._counters = [*_processors(rapl), *_gpus()]
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


def _gpus() -> Iterator[Counter]:
    if not NVIDIA.is_dir():
        return
    try:
        import pynvml

        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount())]
        for handle in handles:
            pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)
    except Exception:  # no library, no permission, or a GPU too old to count: nothing is known of its energy
        return
    for handle in handles:
        yield functools.partial(_of_gpu, pynvml.nvmlDeviceGetTotalEnergyConsumption, handle), 0.0


def _of_gpu(read: Callable[[Any], int], handle: Any) -> float:
    return read(handle) * MILLI


def gpu_names() -> list[str]:
    """As the driver calls them; empty without one."""
    found = []
    for information in sorted(NVIDIA.glob("*/information")):
        lines = dict(line.split(":", 1) for line in information.read_text(encoding="utf-8").splitlines() if ":" in line)
        found.append(lines.get("Model", "").strip())
    return [name for name in found if name]
