"""`--max-cost` and `--max-gpu-hours`: what a run has used so far, and whether one more cell may begin or go on."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from harness.errors import UsageError
from harness.machine import Machine
from harness.prices import ON_GPU, Tariff


@dataclass(slots=True)
class Caps:
    """Time that jobs hold this machine, at its price of an hour; beside other jobs each holds the whole of it."""

    tariff: Tariff | None
    machine: Machine
    most_usd: float | None = None
    most_gpu_hours: float | None = None
    clock: Callable[[], float] = time.monotonic
    usd: float = 0.0
    gpu_hours: float = 0.0
    _running: dict[str, tuple[float, str]] = field(default_factory=dict)

    def check(self, devices: set[str]) -> None:
        """Raises `UsageError` where a cap is set on what has no price: it could not hold."""
        unpriced = [
            device for device in sorted(devices) if self.most_usd is not None and self._usd(1.0, device) is None
        ]
        if unpriced:
            what = self.machine.gpu or "this GPU" if unpriced[0] == ON_GPU else "a vCPU"
            raise UsageError(f"--max-cost cannot hold: no price of an hour of {what} is known; give one with --prices")

    def begin(self, id: str, device: str) -> None:
        self._running[id] = self.clock(), device

    def end(self, id: str) -> None:
        began = self._running.pop(id, None)
        if began is not None:
            usd, hours = self._used(self.clock() - began[0], began[1])
            self.usd, self.gpu_hours = self.usd + usd, self.gpu_hours + hours

    def left_usd(self) -> float:
        """What services may still charge."""
        return math.inf if self.most_usd is None else max(0.0, self.most_usd - self.usd)

    def over(self, estimate_s: float | None = None, device: str = "cpu", service_usd: float = 0.0) -> str | None:
        """Which cap is reached by what was used, what runs, and what may be begun; None: none is."""
        usd, hours = self.usd, self.gpu_hours
        for began, where in self._running.values():
            running_usd, running_hours = self._used(self.clock() - began, where)
            usd, hours = usd + running_usd, hours + running_hours
        more_usd, more_hours = self._used(estimate_s or 0.0, device)
        used: Mapping[str, tuple[float | None, float, float, str]] = {
            "--max-cost": (self.most_usd, usd, service_usd + more_usd, "USD"),
            "--max-gpu-hours": (self.most_gpu_hours, hours, more_hours, "h"),
        }
        for flag, (most, now, more, unit) in used.items():
            if most is not None and now + more > most:
                expected = f", about {more:.3g} {unit} more for this" if more else ""
                return f"{flag} {most:g}: {now:.3g} {unit} used{expected}; raise it and run the same command again"
        return None

    def _used(self, seconds: float, device: str) -> tuple[float, float]:
        """US dollars and GPU hours; `check` has seen to it that what a cap is set on has a price."""
        return self._usd(seconds, device) or 0.0, seconds / 3600 if device == ON_GPU else 0.0

    def _usd(self, seconds: float, device: str) -> float | None:
        return None if self.tariff is None else self.tariff.machine_usd(seconds, device, self.machine)
