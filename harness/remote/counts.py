"""What a session used: as if each answer were asked for once in every phase, whether it was sent or paid for before."""

from __future__ import annotations

import math
import time
from collections import defaultdict
from collections.abc import Callable, Mapping

from harness.remote.hosting import HOSTING
from harness.remote.purse import tokens
from harness.types import Usage


class Counts:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._rented: float | None = None
        """Until when the time of a deployment was counted; None where none is rented."""
        self._counted: set[str] = set()
        self._billed: dict[str, float] = defaultdict(float)
        self._wall_s = self._replayed_s = 0.0

    def take(self, key: str, billed: Mapping[str, float], seconds: float | None) -> None:
        """`seconds`: what an answer that was not sent now took when it was; None for one that was."""
        if key in self._counted:
            return
        self._counted.add(key)
        for sort, count in billed.items():
            self._billed[sort] += count
        self.wait(seconds or 0.0)
        if self._rented is not None:
            self._billed[HOSTING] += seconds or 0.0

    def wait(self, seconds: float) -> None:
        """Time that passed elsewhere."""
        self._wall_s += seconds
        self._replayed_s += seconds

    def rent(self, started_s: float) -> None:
        """A deployment that needed so long to start: from now on all time that passes, here or elsewhere, is its."""
        self._rented = self._clock()
        self.wait(started_s)
        self._billed[HOSTING] += started_s

    def forget(self) -> None:
        """What is used from now on counts anew."""
        self._counted.clear()

    def replayed_s(self) -> float:
        found, self._replayed_s = self._replayed_s, 0.0
        return found

    def usage(self) -> Usage:
        if self._rented is not None:
            now = self._clock()
            self._billed[HOSTING] += now - self._rented
            self._rented = now
        # A second that has begun is one: what answered within it was not free.
        billed = {sort: math.ceil(count) if sort == HOSTING else round(count) for sort, count in self._billed.items()}
        used = Usage(wall_s=self._wall_s or None, tokens=tokens(billed), billed=billed)
        self._wall_s = 0.0
        self._billed.clear()
        return used
