"""What a phase of a cell consumed: wall and CPU seconds, its own memory, and the session's own counts."""

from __future__ import annotations

import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil

from harness.energy import Energy, EnergyMeter
from harness.gpus import BusyMeter
from harness.types import Usage

SAMPLE_S = 0.1
GROWN = 1.02
"""Memory is looked at closely when the process has become so many times as large as it ever was: the close look walks
all its pages, and taken at every sample it made training 1.4 times as long."""


def own_bytes() -> int | None:
    """Memory that only this process has (Linux); None where the system does not tell.

    What a worker shares with its zygote is not counted, and no sibling's end changes the figure.
    """
    try:
        with open("/proc/self/smaps_rollup", encoding="ascii") as file:
            return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("Private_"))
    except OSError:
        return None


def cpu_s() -> float:
    own = resource.getrusage(resource.RUSAGE_SELF)
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


@dataclass(slots=True)
class Meter:
    """Measures phases one after another; `phases` maps a phase's name to its summed usage."""

    phases: dict[str, Usage] = field(default_factory=dict)
    energy: Callable[[], Energy] = EnergyMeter

    @contextmanager
    def phase(self, name: str, counts: Callable[[], Usage] = Usage) -> Iterator[None]:
        """`counts` returns what the session counted since it was last asked (tokens, FLOPs, device).

        Its `wall_s`, which only a session that replays answers has, is added to the time that passed.
        """
        busy, energy = BusyMeter(), self.energy()
        sampler = _Sampler(busy)
        wall, cpu = time.perf_counter(), cpu_s()
        sampler.start()
        try:
            yield
        finally:
            sampler.stop()
            counted = counts()
            used = Usage(
                wall_s=time.perf_counter() - wall + (counted.wall_s or 0.0),
                cpu_s=cpu_s() - cpu,
                device_s=busy.seconds(),
                peak_ram_bytes=sampler.peak,
                peak_device_bytes=counted.peak_device_bytes,
                tokens=counted.tokens,
                flops=counted.flops,
                energy_j=energy.joules(),
                billed=counted.billed,
                layers=counted.layers,
            )
            self.phases[name] = total([self.phases[name], used]) if name in self.phases else used


class _Sampler(threading.Thread):
    """Reads the process's memory while a phase runs, and what GPUs do."""

    def __init__(self, busy: BusyMeter) -> None:
        super().__init__(daemon=True)
        self._busy = busy
        self._process = psutil.Process()
        self._largest = self._process.memory_info().rss
        self.peak: int | None = own_bytes()
        self._done = threading.Event()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_S):
            size = self._process.memory_info().rss
            if size > GROWN * self._largest:
                self._largest = size
                self._look()
            self._busy.look()

    def stop(self) -> None:
        self._done.set()
        self.join()
        self._look()

    def _look(self) -> None:
        seen = own_bytes()
        if seen is not None:
            self.peak = max(self.peak or 0, seen)


def total(usages: list[Usage]) -> Usage:
    """Sums of amounts and maxima of peaks; a figure that no part measured stays None."""

    def add(name: str) -> float | None:
        seen = [value for usage in usages if (value := getattr(usage, name)) is not None]
        return sum(seen) if seen else None

    def most(name: str) -> int | None:
        return max((value for usage in usages if (value := getattr(usage, name)) is not None), default=None)

    tokens, layers = add("tokens"), add("layers")
    return Usage(
        wall_s=add("wall_s"),
        cpu_s=add("cpu_s"),
        device_s=add("device_s"),
        peak_ram_bytes=most("peak_ram_bytes"),
        peak_device_bytes=most("peak_device_bytes"),
        tokens=None if tokens is None else int(tokens),
        flops=add("flops"),
        energy_j=add("energy_j"),
        layers=None if layers is None else int(layers),
        billed=_billed([usage.billed for usage in usages if usage.billed is not None]),
    )


def _billed(found: list[Mapping[str, int]]) -> Mapping[str, int] | None:
    return dict(sum(map(Counter, found), Counter())) if found else None
