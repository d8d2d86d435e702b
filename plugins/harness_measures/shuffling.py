"""Who is asked about whom, drawn anew: what differences between groups look like where there are none."""

from __future__ import annotations

import numpy as np

from harness.stats import SEED, Clusters, Ints

SHUFFLES = 499
MANY_ROWS = 5_000
"""Of more rows some clusters are drawn: chance makes larger gaps among fewer rows, so that p can only be too large."""


def shuffled(clusters: Clusters, members: Ints) -> tuple[Ints, Ints]:
    """Rows [k], and for each the row whose people it is given, in every shuffle: [shuffles, k].

    Rows of one cluster exchange their people among themselves: they are equal but for the person. Where a whole cluster
    is about the same people (`members` [groups, n]), clusters exchange theirs. (Good 2005, "Permutation, Parametric and
    Bootstrap Tests of Hypotheses", ch. 3: only what is exchangeable may be permuted.)
    """
    random = np.random.default_rng(SEED)
    rows = _some(clusters, random)
    held = members[:, rows]
    _, codes = np.unique(clusters.codes[rows], return_inverse=True)
    by_cluster, sizes = np.argsort(codes, kind="stable"), np.bincount(codes)
    firsts = by_cluster[np.cumsum(sizes) - sizes]
    mixed = np.zeros(len(sizes), dtype=bool)
    mixed[codes[(held != held[:, firsts[codes]]).any(axis=0)]] = True
    orders = np.empty((SHUFFLES, len(rows)), dtype=np.int64)
    orders[:, by_cluster] = np.argsort(codes + random.random(orders.shape), axis=1)
    (alike,) = np.nonzero(~mixed)
    source = np.tile(np.arange(len(sizes)), (SHUFFLES, 1))
    source[:, alike] = random.permuted(np.tile(alike, (SHUFFLES, 1)), axis=1)
    of_alike = ~mixed[codes]
    orders[:, of_alike] = firsts[source[:, codes[of_alike]]]
    return rows, rows[orders]


def _some(clusters: Clusters, random: np.random.Generator) -> Ints:
    """All rows, or those of as many clusters drawn at random as hold about `MANY_ROWS`."""
    if len(clusters.codes) <= MANY_ROWS:
        return np.arange(len(clusters.codes))
    sizes = np.bincount(clusters.codes, minlength=clusters.count)
    drawn = random.permutation(clusters.count)
    enough = drawn[: 1 + int(np.searchsorted(np.cumsum(sizes[drawn]), MANY_ROWS))]
    (rows,) = np.nonzero(np.isin(clusters.codes, enough))
    return rows
