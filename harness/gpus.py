"""NVIDIA's GPUs as their driver tells of them (NVML): names, joules, how long kernels ran; nothing without one."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

NVIDIA = Path("/proc/driver/nvidia/gpus")
MILLI = 1e-3
MICROS = 1e6
LOOK_S = 2.0
"""The driver keeps about a hundred samples of a sixth of a second or more."""


def names() -> list[str]:
    """As the driver calls them."""
    found = []
    for information in sorted(NVIDIA.glob("*/information")):
        lines = dict(line.split(":", 1) for line in information.read_text(encoding="utf-8").splitlines() if ":" in line)
        found.append(lines.get("Model", "").strip())
    return [name for name in found if name]


def joules() -> list[Callable[[], float]]:
    """A counter of each; none where one cannot be read: a sum that lacks a part is unknown."""
    nvml, handles = _driver()
    counters: list[Callable[[], float]] = [functools.partial(_joules, nvml, handle) for handle in handles]
    return counters if _works(*counters) else []


def _joules(nvml: Any, handle: Any) -> float:
    return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle)) * MILLI


class BusyMeter:
    """Seconds in which kernels ran since it was made, summed over GPUs, whoever's they were; it has to look often."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._nvml, handles = _driver()
        self._clock = clock
        self._looked = clock()
        readings = [functools.partial(self._samples, handle, self._looked) for handle in handles]
        self._handles = handles if _works(*readings) else ()
        self._until = [self._looked] * len(self._handles)
        """Up to when each GPU's time is known."""
        self._busy: float | None = None

    def look(self) -> None:
        """Take what the driver has; it forgets it after a while."""
        if self._clock() - self._looked >= LOOK_S:
            self.seconds()

    def seconds(self) -> float | None:
        """None without a GPU that tells, or where it was over before the driver had looked at all."""
        self._looked = self._clock()
        for number, handle in enumerate(self._handles):
            for at, share in self._samples(handle, self._until[number]):
                self._busy = (self._busy or 0.0) + max(0.0, at - self._until[number]) * share
                self._until[number] = max(at, self._until[number])
        return self._busy

    def _samples(self, handle: Any, since: float) -> list[tuple[float, float]]:
        """When each was taken, in seconds since 1970, and the share of the time before it in which kernels ran."""
        kind = self._nvml.NVML_GPU_UTILIZATION_SAMPLES
        try:
            _, found = self._nvml.nvmlDeviceGetSamples(handle, kind, int(since * MICROS))
        except self._nvml.NVMLError_NotFound:  # none since then
            return []
        return [(each.timeStamp / MICROS, each.sampleValue.uiVal / 100) for each in found]


def _works(*readings: Callable[[], Any]) -> bool:
    """Whether there are any and all can be read: a GPU may be too old to count, or not allow it."""
    try:
        return bool([read() for read in readings])
    except Exception:
        return False


@functools.cache
def _driver() -> tuple[Any, tuple[Any, ...]]:
    """NVML and its handles; none without a driver or the library."""
    if not NVIDIA.is_dir():
        return None, ()
    try:
        import pynvml

        pynvml.nvmlInit()
        return pynvml, tuple(pynvml.nvmlDeviceGetHandleByIndex(number) for number in range(pynvml.nvmlDeviceGetCount()))
    except Exception:  # no library, or no permission: nothing is known of them
        return None, ()
