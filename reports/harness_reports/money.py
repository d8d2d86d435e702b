"""How sums of money, counts and their ranges read."""

import math
from collections.abc import Mapping
from typing import Any

from harness_reports.figures import NOTHING

CENTS_UP_TO = 10
EXACT_FROM = 0.01
THOUSAND = 1000


def dollars(value: float | None) -> str:
    """`$1,240`, `$9.30`, `$0.0021`: three figures or so, more would pretend."""
    if value is None:
        return NOTHING
    size, sign = abs(value), "-" if value < 0 else ""
    if size >= CENTS_UP_TO:
        return f"{sign}${size:,.0f}"
    if size >= EXACT_FROM or size == 0:
        return f"{sign}${size:.2f}"
    return f"{sign}${size:.{1 - math.floor(math.log10(size))}f}"


def ranged(found: Mapping[str, Any] | None) -> str:
    """`$1,240 [980, 1,600]`."""
    if found is None or found["value"] is None:
        return NOTHING
    if found["low"] is None or found["high"] is None:
        return dollars(found["value"])
    low, high = (dollars(found[end]).replace("$", "") for end in ("low", "high"))
    return f"{dollars(found['value'])} [{low}, {high}]"


def count(value: float | None) -> str:
    """`53,000`; two figures or so of what is as rough as a volume."""
    if value is None:
        return NOTHING
    return f"{float(f'{value:.2g}'):,.0f}" if abs(value) >= THOUSAND else f"{value:.3g}"


def times(ratio: float | None) -> str:
    return NOTHING if ratio is None else f"{ratio:.2g} ×"
