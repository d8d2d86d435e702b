"""The largest difference of a share between the values of one group; values with too few rows are named, not used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.evidence import Evidence
from harness.stats import LEAST_GROUP, Clusters, Floats, Ints, encode, interval, ratio, resampled
from harness.types import Measurement, not_measured

NAMED = 5
"""Values too small that a reason names; of the others it tells how many."""
LONGEST = 60
"""Characters of a name in a reason: names come from a task's files, and may be of any length."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of the rows counted in `of`, those counted in `above`: [n] each, means over seeds."""

    above: Floats
    of: Floats


def compared(evidence: Evidence) -> Evidence | None:
    """Twins if the task has them (there groups differ in nothing but the person), else the test set."""
    found = evidence.focus("twins") if "twins" in evidence.task else evidence
    return found if found.answered else None


def widest_gap(asked: Evidence, shares: Sequence[Share]) -> Measurement:
    """Highest minus lowest of a share between the values of one group, in points: of the shares and groups, the
    largest. Values that any share has fewer than `LEAST_GROUP` rows of are left out, and the reason says which.
    """
    (clusters,) = encode(asked.column("cluster"))
    found = asked.column("groups")
    gaps: list[_Gap] = []
    small: dict[str, int] = {}
    for group in asked.task.groups:
        values = [groups.get(group) for groups in found]
        places = {value: place for place, value in enumerate(sorted(set(values) - {None}))}
        member = np.array([places.get(value, -1) for value in values])
        large = []
        for value, place in places.items():
            rows = min(int(share.of[member == place].sum()) for share in shares)
            if rows < LEAST_GROUP:
                small[f"{group}={value}"] = rows
            else:
                large.append(place)
        if len(large) > 1:
            gaps.append(_Gap(shares, clusters, np.where(np.isin(member, large), member, -1), large))
    if not gaps:
        too_few = f"fewer than {LEAST_GROUP} rows in all but one value of every group"
        return not_measured(": ".join(filter(None, (too_few, _named(small)))), "points", "lower")
    widest = max(gaps, key=lambda gap: gap.value)
    low, high = interval(resampled(widest.copies, widest.of))
    reason = f"left out, fewer than {LEAST_GROUP} rows: {_named(small)}" if small else None
    return Measurement(widest.value, low, high, widest.rows, "points", "lower", reason=reason)


class _Gap:
    """Of one group: the largest difference of any of the shares between the values at these places."""

    def __init__(self, shares: Sequence[Share], clusters: Clusters, member: Ints, places: Sequence[int]) -> None:
        columns = (column for share in shares for column in (share.above, share.of))
        kept, kinds, self.copies = clusters.kinds(member, *columns)
        masks = [(member[kept] == place).astype(float) for place in places]
        self._sums = [
            [(kinds.sums(share.above[kept] * mask), kinds.sums(share.of[kept] * mask)) for mask in masks]
            for share in shares
        ]
        self.rows = int((member >= 0).sum())
        self.value = float(self.of(self.copies[None].astype(float))[0])

    def of(self, weights: Floats) -> Floats:
        """In points. A resample without one of the values says nothing of their difference: nan, which `interval`
        leaves out."""
        rates = np.array([[ratio(weights @ above, weights @ of) for above, of in share] for share in self._sums])
        found: Floats = 100 * (rates.max(axis=1) - rates.min(axis=1)).max(axis=0)
        return found


def _named(small: dict[str, int]) -> str:
    """Each value that is too small with its rows, smallest first."""
    ordered = sorted(small.items(), key=lambda named: (named[1], named[0]))
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return ", ".join(f"{value:.{LONGEST}} ({rows})" for value, rows in ordered[:NAMED]) + more
