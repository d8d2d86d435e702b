"""The largest difference of a share between the values of one group; values with too few rows are named, not used."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.evidence import Evidence
from harness.seeds import estimate, summed
from harness.stats import LEAST_GROUP, Floats, Ints, encode, ratio
from harness.types import Measurement, not_measured
from harness_measures.shuffling import shuffled

NAMED = 5
"""Values too small that a reason names; of the others it tells how many."""
ROUNDING = 1e-9
LONGEST = 60
"""Characters of a name in a reason: names come from a task's files, and may be of any length."""


@dataclass(frozen=True, slots=True)
class Share:
    """Of the rows counted in `of` [n], those that each seed counts in `above` [seeds, n]."""

    above: Floats
    of: Floats


def compared(evidence: Evidence) -> Evidence | None:
    """Twins if the task has them (there groups differ in nothing but the person), else the test set."""
    found = evidence.focus("twins") if "twins" in evidence.task else evidence
    return found if found.answered else None


def widest_gap(asked: Evidence, shares: Sequence[Share]) -> Measurement:
    """Highest minus lowest of a share between the values of one group, in points: of the shares and groups, the
    largest. Values that any share has fewer than `LEAST_GROUP` rows of are left out, and the reason says which.

    A maximum is never negative, so its interval says nothing about 0; `p` does (see `shuffling`).
    """
    gaps = Gaps(asked, [share.of for share in shares])
    if why := gaps.nothing:
        return not_measured(why, "points", "lower")
    sums = gaps.sums(shares)
    observed = gaps.between(sums.mean(axis=0).sum(axis=0))
    widest = int(observed.max(axis=-1).argmax())
    found = estimate([sums], lambda sums: gaps.between(sums)[..., widest, :].max(axis=-1), 0, 100)
    return Measurement(
        found.value,
        found.low,
        found.high,
        gaps.rows[widest],
        "points",
        "lower",
        reason=gaps.left_out,
        spread=found.spread,
        p=gaps.p(shares),
    )


class Gaps:
    """Of every group and share: the difference between the highest and the lowest of the group's large values."""

    def __init__(self, asked: Evidence, of: Sequence[Floats]) -> None:
        """`of` [n] are the rows that each share is of."""
        self._of, self._clusters = of, encode(asked.column("cluster"))[0]
        self._small: dict[str, int] = {}
        self._members: list[Ints] = []
        """Of each group: the number of every row's value, -1 for rows without one that is large: [n]."""
        found = asked.column("groups")
        for group in asked.task.groups:
            member = self._large(group, [groups.get(group) for groups in found])
            if member.max(initial=-1) > 0:
                self._members.append(member)
        self.rows = [int((member >= 0).sum()) for member in self._members]

    def _large(self, group: str, values: Sequence[str | None]) -> Ints:
        numbers, member = 0, np.full(len(values), -1)
        for value in sorted({value for value in values if value is not None}):
            of_value = np.array([each == value for each in values])
            rows = min(int(of[of_value].sum()) for of in self._of)
            if rows < LEAST_GROUP:
                self._small[f"{group}={value}"] = rows
            else:
                member[of_value] = numbers
                numbers += 1
        return member

    def sums(self, shares: Sequence[Share]) -> Floats:
        """Of every share, group and value: what it is the ratio of, in every cluster: [seeds, clusters, columns]."""
        masks = [(member == value).astype(float) for member in self._members for value in range(member.max() + 1)]
        sums = [summed(self._clusters, share.above * mask, share.of * mask) for share in shares for mask in masks]
        return np.concatenate(sums, axis=2)

    def between(self, sums: Floats) -> Floats:
        """In points, of the columns of `sums` [..., columns]: [..., groups, shares]. A resample without one of the
        values says nothing of their difference: nan, which `interval` leaves out."""
        rates = ratio(sums[..., ::2], sums[..., 1::2])
        values = [int(member.max()) + 1 for member in self._members]
        by_share = rates.reshape(*rates.shape[:-1], -1, sum(values))
        of_groups = np.split(by_share, np.cumsum(values)[:-1], axis=-1)
        gaps: Floats = 100 * np.stack([each.max(axis=-1) - each.min(axis=-1) for each in of_groups], axis=-2)
        return gaps

    @property
    def nothing(self) -> str | None:
        """Why there is no gap to measure."""
        if self._members:
            return None
        too_few = f"fewer than {LEAST_GROUP} rows in all but one value of every group"
        return ": ".join(filter(None, (too_few, _named(self._small))))

    @property
    def left_out(self) -> str | None:
        return f"left out, fewer than {LEAST_GROUP} rows: {_named(self._small)}" if self._small else None

    def p(self, shares: Sequence[Share]) -> float:
        """Of the largest gap, if whom a row is about had nothing to do with how these checkpoints answered it."""
        rows, shuffles = shuffled(self._clusters, np.stack(self._members))
        given = np.vstack([rows, shuffles])  # the people as they are count as one of the shuffles
        widest = np.zeros(len(given))
        for member, share in itertools.product(self._members, shares):
            widest = np.fmax(widest, _gaps(member[given], share.above.mean(axis=0)[rows], share.of[rows]))
        return float((widest >= widest[0] - ROUNDING).mean())


def _gaps(members: Ints, above: Floats, of: Floats) -> Floats:
    """In points, for rows [k] whose values are `members` [b, k]: [b]."""
    values = int(members.max()) + 1
    places = (np.arange(len(members))[:, None] * (values + 1) + members + 1).ravel()
    sums = [np.bincount(places, np.tile(each, len(members)), len(members) * (values + 1)) for each in (above, of)]
    rates = ratio(*(each.reshape(-1, values + 1)[:, 1:] for each in sums))
    found: Floats = 100 * (np.nanmax(rates, axis=1) - np.nanmin(rates, axis=1))
    return found


def _named(small: dict[str, int]) -> str:
    """Each value that is too small with its rows, smallest first."""
    ordered = sorted(small.items(), key=lambda named: (named[1], named[0]))
    more = f" and {len(ordered) - NAMED} more" if len(ordered) > NAMED else ""
    return ", ".join(f"{value:.{LONGEST}} ({rows})" for value, rows in ordered[:NAMED]) + more
