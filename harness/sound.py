"""What a measure returned -> plain, finite numbers that a report may hold."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

from harness.types import Measurement, not_measured


def as_document(found: Measurement) -> dict[str, Any]:
    points = None if found.points is None else [list(point) for point in found.points]
    return {**asdict(found), "points": points}


def sound(found: Any) -> Measurement:
    """A measurement of plain numbers; one that is not finite was not measured, and says so."""
    if not isinstance(found, Measurement):
        raise TypeError(f"it returned {type(found).__name__}, not a Measurement")
    value, low, high, spread, p = map(_finite, (found.value, found.low, found.high, found.spread, found.p))
    if value is None:
        return not_measured(found.reason or "the result is no number", found.unit, found.better)
    n = None if found.n is None else int(found.n)
    points = None if found.points is None else tuple(tuple(map(float, point)) for point in found.points)
    if points is not None and not all(map(math.isfinite, chain.from_iterable(points))):
        points = None
    return replace(found, value=value, low=low, high=high, spread=spread, n=n, p=p, points=points)


def _finite(number: Any) -> float | None:
    return None if number is None or not math.isfinite(number) else float(number)
