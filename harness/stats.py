"""Cluster bootstrap: intervals that respect rows which depend on each other.

Resampling clusters rather than rows follows Cameron, Gelbach & Miller (2008), "Bootstrap-based improvements
for inference with clustered errors"; intervals are percentile intervals (Efron & Tibshirani 1993, ch. 13).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

RESAMPLES = 2_000
LEAST_GROUP = 30
"""Rows of a group's value below which no share of it is compared: at 30 and 50 %, a 95 % interval spans some 36 points
(1.96 · sqrt(0.25 / 30) to each side)."""
LEAST_CLUSTERS = 2
"""Resampling one says nothing about others: there is no interval then."""
LEVEL = 0.95
SEED = 20_240_229
"""Fixed, so that the same evidence always gives the same interval."""
SEED_OF_SIDES = 17
_CHUNK = 4_000_000
"""Weights held at once: resamples are drawn in chunks, so memory does not grow with the data."""
MANY_CLUSTERS, FEW_KINDS = 10_000, 8
"""From so many clusters on, if there are so many times fewer kinds, how often each kind is drawn is drawn at once."""


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

    def kinds(self, *columns: npt.NDArray[Any]) -> tuple[Ints, Clusters, Ints]:
        """Clusters are of one kind if they hold the same rows of these columns [n].

        Returns the positions of the rows of one cluster of each kind, these clusters, and how many there are of each.
        A resample of the clusters draws each kind a multinomial number of times: the same distribution, at the cost
        of the kinds. Where that would not pay, every cluster is its own kind.
        """
        alone = np.arange(len(self.codes)), self, np.ones(self.count, dtype=np.int64)
        if self.count < MANY_CLUSTERS:
            return alone
        rows = _numbered(columns)
        order = np.lexsort((rows, self.codes))
        sizes = np.bincount(self.codes, minlength=self.count)
        starts = np.cumsum(sizes) - sizes
        first, copies = [], []
        for size in np.unique(sizes):
            (members,) = np.nonzero(sizes == size)
            held = _numbered(rows[order[starts[members] + place]] for place in range(size)) if size else 0 * members
            _, found, count = np.unique(held, return_index=True, return_counts=True)
            first.append(members[found])
            copies.append(count)
        chosen = np.concatenate(first)
        if len(chosen) * FEW_KINDS > self.count:
            return alone
        numbers = np.full(self.count, -1)
        numbers[chosen] = np.arange(len(chosen))
        (kept,) = np.nonzero(numbers[self.codes] >= 0)
        return kept, Clusters(numbers[self.codes[kept]], len(chosen)), np.concatenate(copies)


def _numbered(columns: Iterable[npt.NDArray[Any]]) -> Ints:
    """Equal numbers for rows [n] that are equal in every column."""
    found: Any = 0
    for column in columns:
        _, own = np.unique(column, return_inverse=True)
        _, found = np.unique(found * (own.max() + 1) + own, return_inverse=True)
    return np.asarray(found, dtype=np.int64)


def alike(sums: Floats) -> tuple[Floats, Ints]:
    """Clusters with the same sums [clusters, columns] as one kind: the sums of each kind, and how many there are of it.

    As `Clusters.kinds`, for what is computed from sums alone.
    """
    if len(sums) >= MANY_CLUSTERS:
        _, found, copies = np.unique(_numbered(sums.T), return_index=True, return_counts=True)
        if len(found) * FEW_KINDS <= len(sums):
            return sums[found], copies
    return sums, np.ones(len(sums), dtype=np.int64)


def encode(*sets: Sequence[str]) -> list[Clusters]:
    """The same names get the same numbers in every set."""
    numbers: dict[str, int] = {}
    codes = [np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64) for names in sets]
    return [Clusters(found, len(numbers)) for found in codes]


def balanced(*sides: Sequence[str]) -> list[npt.NDArray[np.bool_]]:
    """Of each side, named by its rows' clusters [n], the rows of as many clusters as the smallest has, drawn once.

    They are drawn by name, so that the order of rows decides nothing.
    """
    generator = np.random.default_rng(SEED_OF_SIDES)
    found = [np.unique(np.array(names, dtype=object), return_inverse=True) for names in sides]
    equal = min(len(known) for known, _ in found)
    return [np.isin(codes, generator.permutation(len(known))[:equal]) for known, codes in found]


def resampled(
    clusters: int | Ints, statistic: Callable[[Floats], Floats], resamples: int = RESAMPLES, seed: int = SEED
) -> Floats:
    """`statistic` of the weights [b, kinds], with b in front, of every resample: [resamples, ...]; nan [resamples] for
    too few clusters.

    `clusters` says how many there are, or how many of each kind (see `Clusters.kinds`).
    """
    copies = np.ones(clusters, dtype=np.int64) if isinstance(clusters, int) else clusters
    if copies.sum() < LEAST_CLUSTERS:
        return np.full(resamples, np.nan)
    return np.concatenate([statistic(weights) for weights in _weights(copies, resamples, seed)])


def _weights(copies: Ints, resamples: int, seed: int) -> Iterator[Floats]:
    """As many draws as there are clusters, with replacement."""
    generator = np.random.default_rng(seed)
    kinds, count = len(copies), int(copies.sum())
    step = max(1, _CHUNK // max(1, kinds))
    for start in range(0, resamples, step):
        size = min(step, resamples - start)
        if kinds < count:
            yield generator.multinomial(count, copies / count, size=size).astype(np.float64)
            continue
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
    kept, clusters, copies = clusters.kinds(values)
    sums, sizes = clusters.sums(values[kept]), clusters.sums(np.ones(len(kept)))
    return interval(resampled(copies, lambda weights: ratio(weights @ sums, weights @ sizes)))


def bounded(clusters: Clusters) -> tuple[Ints, Clusters, float]:
    """For statistics to which `kinds` gives nothing, since hardly two clusters hold the same values: at most
    `MANY_CLUSTERS` of them, drawn at random.

    Returns the positions of their rows, these clusters, and √(drawn / all), by which deviations from the value that
    they have themselves are to be multiplied (m out of n bootstrap: Bickel, Götze & van Zwet 1997, Statistica Sinica
    7, 1-31).
    """
    if clusters.count <= MANY_CLUSTERS:
        return np.arange(len(clusters.codes)), clusters, 1.0
    drawn = np.random.default_rng(SEED).permutation(clusters.count)[:MANY_CLUSTERS]
    numbers = np.full(clusters.count, -1)
    numbers[drawn] = np.arange(len(drawn))
    (kept,) = np.nonzero(numbers[clusters.codes] >= 0)
    return kept, Clusters(numbers[clusters.codes[kept]], len(drawn)), (len(drawn) / clusters.count) ** 0.5


def ratio(above: Floats, below: Floats) -> Floats:
    """above / below, nan where a resample holds no row."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)
