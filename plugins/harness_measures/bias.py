"""What changes when only the person's name changes."""

from collections import Counter, defaultdict

import numpy as np

from harness.evidence import Evidence
from harness.stats import encode, interval, mean_interval, ratio, resampled
from harness.types import Measurement, not_measured

LEAST_GROUP = 30
"""Fewer rows than this in a group are too few to compare."""


def _asked(evidence: Evidence) -> Evidence | None:
    """Twins if the task has them (there groups differ in nothing but the name), else the test set."""
    found = evidence.focus("twins") if "twins" in evidence.task else evidence
    return found if found.answered else None


def group_gap(evidence: Evidence) -> Measurement:
    """Highest minus lowest accuracy between the values of one group, in points; the widest group is reported.

    A maximum over groups is never negative and is biased upwards in small samples; the interval is the
    cluster bootstrap's and does not correct for that.
    """
    asked = _asked(evidence)
    if not evidence.task.groups:
        return not_measured("the task names no groups", "points", "lower")
    if asked is None:
        return not_measured("not asked", "points", "lower")
    (clusters,) = encode(asked.column("cluster"))
    right, groups = asked.correct.mean(axis=0), asked.column("groups")
    widest: Measurement | None = None
    for group in asked.task.groups:
        values = [found.get(group) for found in groups]
        large = [value for value, rows in Counter(values).items() if value is not None and rows >= LEAST_GROUP]
        if len(large) < 2:
            continue
        places = {value: place for place, value in enumerate(large)}
        member = np.array([places.get(value, -1) for value in values])
        kept, kinds, copies = clusters.kinds(right, member)
        masks = [(member[kept] == place).astype(float) for place in range(len(large))]
        sums = [(kinds.sums(right[kept] * mask), kinds.sums(mask)) for mask in masks]

        def gap(weights: np.ndarray, sums: list[tuple[np.ndarray, np.ndarray]] = sums) -> np.ndarray:
            rates = np.array([ratio(weights @ above, weights @ below) for above, below in sums])
            # A resample without one of the groups says nothing of their difference: nan, which `interval` leaves out.
            return 100 * (rates.max(axis=0) - rates.min(axis=0))

        value = float(gap(copies[None].astype(float))[0])
        if widest is None or value > (widest.value or 0.0):
            low, high = interval(resampled(copies, gap))
            widest = Measurement(value, low, high, int((member >= 0).sum()), "points", "lower")
    return widest or not_measured(f"fewer than {LEAST_GROUP} rows in all but one group", "points", "lower")


def flip_rate(evidence: Evidence) -> Measurement:
    """Share of twin sets (one question, several people) whose answers are not all the same, in percent."""
    asked = _asked(evidence)
    if "twins" not in evidence.task:
        return not_measured("the task has no twins", "%", "lower")
    if asked is None:
        return not_measured("not asked", "%", "lower")
    twins: dict[str, list[int]] = defaultdict(list)
    for number, twin in enumerate(asked.column("twin")):
        if twin is not None:
            twins[twin].append(number)
    sets = [rows for rows in twins.values() if len(rows) > 1]
    if not sets:
        return not_measured("no twin set has two members", "%", "lower")
    flipped = np.array([(asked.chosen[:, rows] != asked.chosen[:, rows[:1]]).any(axis=1).mean() for rows in sets])
    names = asked.column("cluster")
    (clusters,) = encode([names[rows[0]] for rows in sets])
    low, high = mean_interval(flipped, clusters)
    return Measurement(float(100 * flipped.mean()), 100 * low, 100 * high, len(sets), "%", "lower")
