"""What an arm gains by answering only what it is sure of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.confidence import equal_mass
from harness.evidence import Evidence
from harness.stats import Floats, Ints, bounded, encode, interval, resampled
from harness.types import Measurement, not_measured
from harness_measures.beliefs import beliefs

STEPS = 20
"""Points of the risk-coverage curve."""
LEVELS = 100
"""The most levels of confidence that resampling tells apart; the value itself tells all."""


def aurc(evidence: Evidence) -> Measurement:
    """Area under the risk-coverage curve in percent: the share of wrong answers among the k that the arm is surest of,
    averaged over k = 1 … n, then over seeds (Geifman & El-Yaniv 2017, arXiv:1705.08500; Geifman, Uziel & El-Yaniv
    2019, arXiv:1805.08206).

    Without any order of confidence it is the share of wrong answers; the surer an arm is where it is right, the lower
    it is. Questions of equal confidence count as in random order. `points`, the risk-coverage curve: of each twentieth
    answered, surest first, that share and the share of wrong answers among it, in percent, averaged over seeds.
    """
    if not evidence.kept:
        return not_measured("no rows", "%", "lower")
    sure, wrong = beliefs(evidence).odds, 1 - evidence.correct
    levels = [np.unique(-each, return_inverse=True)[1] for each in sure]
    exact = [
        _area(np.bincount(own).astype(float), np.bincount(own, each)) for own, each in zip(levels, wrong, strict=True)
    ]
    low, high = _interval(evidence, sure, wrong, float(np.mean(exact)))
    return Measurement(
        value=float(100 * np.mean(exact)),
        low=100 * low,
        high=100 * high,
        n=len(evidence.kept),
        unit="%",
        better="lower",
        spread=float(100 * np.std(exact, ddof=1)) if len(exact) > 1 else None,
        points=_curve(levels, wrong),
    )


def _curve(levels: Sequence[Ints], wrong: Floats) -> tuple[tuple[float, ...], ...]:
    """Coverage and risk in percent, from every seed's levels of confidence (0 the surest) and errors: [n] each."""
    count = wrong.shape[1]
    ends = np.unique(np.ceil(np.arange(1, STEPS + 1) / STEPS * count).astype(int))
    risks = []
    for own, missed in zip(levels, wrong, strict=True):
        rate = np.bincount(own, missed) / np.bincount(own)
        risks.append(np.cumsum(rate[np.sort(own)])[ends - 1] / ends)
    return tuple(zip((100 * ends / count).tolist(), (100 * np.mean(risks, axis=0)).tolist(), strict=True))


def _interval(evidence: Evidence, sure: Floats, wrong: Floats, value: float) -> tuple[float, float]:
    (clusters,) = encode(evidence.column("cluster"))
    kept, some, shrink = bounded(clusters)
    tables, levels = [], min(LEVELS, len(kept))
    for each, missed in zip(sure[:, kept], wrong[:, kept], strict=True):
        place, size = some.codes * levels + equal_mass(-each, levels), some.count * levels
        rows, errors = np.bincount(place, minlength=size), np.bincount(place, missed, size)
        tables.append((rows.reshape(some.count, levels).astype(float), errors.reshape(some.count, levels)))

    def area(weights: Floats) -> Floats:
        found: Floats = np.mean([_area(weights @ rows, weights @ errors) for rows, errors in tables], axis=0)
        return found

    own = float(area(np.ones((1, some.count)))[0])
    low, high = (value + shrink * (end - own) for end in interval(resampled(some.count, area)))
    return low, high


def _area(rows: Floats, errors: Floats) -> Floats:
    """Of rows and wrong answers by level of confidence, surest first, [..., levels]: the area [...].

    Among the m rows of a level, which come in random order, e are wrong; before them N rows and E errors. The j-th adds
    (E + j·e/m) / (N + j) = e/m + (E − N·e/m) / (N + j), and all of them e + (E − N·e/m)·(H(N + m) − H(N)), where H are
    the harmonic numbers.
    """
    last = np.cumsum(rows, axis=-1).astype(np.int64)
    first = last - rows.astype(np.int64)
    before = np.cumsum(errors, axis=-1) - errors
    rate = np.divide(errors, rows, out=np.zeros(errors.shape), where=rows > 0)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, last.max() + 1))])
    added = errors + (before - first * rate) * (harmonic[last] - harmonic[first])
    found: Floats = added.sum(axis=-1) / last[..., -1]
    return found
