"""Whether an arm is right as often as it is sure."""

from __future__ import annotations

import numpy as np

from harness.confidence import reliability_bins
from harness.evidence import Evidence
from harness.stats import LEAST_CLUSTERS, Clusters, Floats, Ints, bounded, encode, interval, mean_interval, resampled
from harness.types import Measurement, not_measured
from harness_measures.beliefs import beliefs, no_probabilities


def ece(evidence: Evidence) -> Measurement:
    """Expected calibration error in points: Σ over bins of (rows in bin / n)·|accuracy − mean confidence| there,
    averaged over seeds.

    Confidence is the probability of the answer given (Guo et al. 2017, arXiv:1706.04599, section 2); bins hold equally
    many questions (Nixon et al. 2019, arXiv:1904.01685), so that none rests on a handful. `points`, the reliability
    curve: of each bin mean confidence and accuracy in percent, and its rows, over all seeds.
    """
    if why := _nothing(evidence):
        return not_measured(why, "points", "lower")
    found = beliefs(evidence)
    off = evidence.correct - found.top
    bins = np.array([reliability_bins(each) for each in found.odds])
    count = int(bins.max()) + 1
    per_bin = np.array([np.bincount(own, each, count) for own, each in zip(bins, off, strict=True)]) / off.shape[1]
    per_seed = np.abs(per_bin).sum(axis=1)
    (clusters,) = encode(evidence.column("cluster"))
    low, high = _interval(off, bins, per_bin, clusters)
    return Measurement(
        value=float(100 * per_seed.mean()),
        low=100 * low,
        high=100 * high,
        n=len(evidence.kept),
        unit="points",
        better="lower",
        spread=float(100 * per_seed.std(ddof=1)) if len(per_seed) > 1 else None,
        points=_reliability(bins, found.top, evidence.correct),
    )


def _reliability(bins: Ints, sure: Floats, right: Floats) -> tuple[tuple[float, ...], ...]:
    """Confidence and accuracy in percent, and rows, of every bin: all [seeds, n]."""
    rows, confidence, accuracy = (
        np.bincount(bins.ravel(), None if each is None else each.ravel()) for each in (None, sure, right)
    )
    return tuple(
        (100 * sums / count, 100 * hits / count, float(count))
        for count, sums, hits in zip(rows.tolist(), confidence.tolist(), accuracy.tolist(), strict=True)
        if count
    )


def _interval(off: Floats, bins: Ints, per_bin: Floats, clusters: Clusters) -> tuple[float, float]:
    """Of the mean over seeds of Σ over bins of |sum of `off` [seeds, n] in the bin| / n, `per_bin` [seeds, bins] being
    these sums over n; bins stay as they are while clusters are resampled.

    A sum of absolute values gains from noise: the sample's is above the truth, and a resample's above the sample's,
    so that the percentile interval may miss both. Hence below it is the basic interval (Efron & Tibshirani 1993, ch.
    13), which turns the bias round, and 0 where noise alone would give as much as was found; above it is the
    percentile interval less the bias of resampling.
    """
    kept, some, shrink = bounded(clusters)
    if some.count < LEAST_CLUSTERS:
        return float("nan"), float("nan")
    seeds, count = per_bin.shape
    place = some.codes * count
    sums = [
        np.bincount(place + own, each, some.count * count).reshape(some.count, count)
        for own, each in zip(bins[:, kept], off[:, kept], strict=True)
    ]
    flat, sizes = np.concatenate(sums, axis=1), some.sums(np.ones(len(kept)))
    drawn = resampled(some.count, lambda weights: weights @ flat / (weights @ sizes)[:, None])
    moved = shrink * (drawn - flat.sum(axis=0) / sizes.sum()).reshape(-1, seeds, count)

    def error(means: Floats) -> Floats:
        found: Floats = np.abs(means).sum(axis=-1).mean(axis=-1)
        return found

    value, draws, noise = float(error(per_bin)), error(per_bin + moved), error(moved)
    (_, high), (_, by_chance) = interval(draws), interval(noise)
    low = 0.0 if value <= by_chance else max(0.0, min(value, 2 * value - high))
    return low, max(value, value + high - float(np.median(draws)))


def brier(evidence: Evidence) -> Measurement:
    """Mean over rows and seeds of Σ over choices of (probability − [choice = gold])², from 0 to 2 (Brier 1950).

    For two labels it is twice what is often called by that name, which looks at one label only.
    """
    if why := _nothing(evidence):
        return not_measured(why, "", "lower")
    found = beliefs(evidence)
    scores = found.squares - 2 * found.gold + 1
    per_row, per_seed = scores.mean(axis=0), scores.mean(axis=1)
    (clusters,) = encode(evidence.column("cluster"))
    kept, some, shrink = bounded(clusters)
    drawn, value = mean_interval(per_row[kept], some), float(per_row.mean())
    low, high = (value + shrink * (end - float(per_row[kept].mean())) for end in drawn)
    return Measurement(
        value=value,
        low=low,
        high=high,
        n=len(per_row),
        unit="",
        better="lower",
        spread=float(per_seed.std(ddof=1)) if len(per_seed) > 1 else None,
    )


def _nothing(evidence: Evidence) -> str | None:
    """Why there is nothing to measure."""
    return no_probabilities(evidence) if evidence.kept else "no rows"
