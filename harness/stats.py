"""Cluster bootstrap: intervals that respect rows which depend on each other.

Resampling clusters rather than rows follows Cameron, Gelbach & Miller (2008), "Bootstrap-based improvements
for inference with clustered errors"; intervals are percentile intervals (Efron & Tibshirani 1993, ch. 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES = 2_000
LEAST_CLUSTERS = 2
"""Resampling one says nothing about others: there is no interval then."""
LEVEL = 0.95
SEED = 20_240_229
"""Fixed, so that the same evidence always gives the same interval."""
_CHUNK = 4_000_000
"""Weights held at once: resamples are drawn in chunks, so memory does not grow with the data."""


@dataclass(frozen=True, slots=True)
class Clusters:
    """Rows' clusters as numbers 0..count-1, shared between sets that are resampled together."""

    codes: Ints
    count: int

    def sums(self, values: Floats) -> Floats:
        """Sum of `values` [n] or [n, c] within each cluster: [count] or [count, c]."""
        out = np.zeros((self.count, *values.shape[1:]))
        np.add.at(out, self.codes, values)
        return out


def encode(*sets: Sequence[str]) -> list[Clusters]:
    """The same names get the same numbers in every set."""
    numbers: dict[str, int] = {}
    codes = [np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64) for names in sets]
    return [Clusters(found, len(numbers)) for found in codes]


def resampled(
    count: int, statistic: Callable[[Floats], Floats], resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """`statistic` of cluster weights [b, count] for every resample: [resamples]; nan for too few clusters."""
    if count < LEAST_CLUSTERS:
        return np.full(resamples, np.nan)
    return np.concatenate([statistic(weights) for weights in _weights(count, resamples, seed)])


def _weights(count: int, resamples: int, seed: int) -> Iterator[Floats]:
    generator = np.random.default_rng(seed)
    step = max(1, _CHUNK // max(1, count))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        drawn = generator.integers(0, count, size=(size, count))
        drawn += np.arange(size)[:, None] * count
        yield np.bincount(drawn.ravel(), minlength=size * count).reshape(size, count).astype(np.float64)


def interval(draws: Floats, level: float = LEVEL) -> tuple[float, float]:
    """Percentile interval of the finite draws."""
    finite = draws[np.isfinite(draws)]
    if finite.size == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(finite, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_interval(values: Floats, clusters: Clusters) -> tuple[float, float]:
    """Interval of the mean of `values` [n] over rows, clusters resampled."""
    sums, sizes = clusters.sums(values), clusters.sums(np.ones(len(values)))
    return interval(resampled(clusters.count, lambda weights: ratio(weights @ sums, weights @ sizes)))


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, nan where a resample holds no row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)
