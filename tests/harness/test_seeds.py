"""How often intervals hold the truth in sums of normal parts: some are known, some are seen in few seeds."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.special import stdtrit

from harness.seeds import Training, combined
from tests.support.worlds import at_least, at_most, seed

WORLDS = 10_000
CLUSTERS = 1_000_000
"""So many that what they add is as good as known."""
OF_SEEDS = 0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.98
"""Shares of the variance."""
OF_THEIR_ERRORS = 0.05, 0.2, 0.5
"""Of what is left: what seeds' errors on other questions add."""
OF_THE_FIRST = 0.5, 0.7, 0.9
"""Of two arms' shares: the one's."""


def held(arms: list[tuple[float, float, int]], random: np.random.Generator) -> int:
    """In how many worlds of variance 1; of each arm what its seeds add, what their errors on questions add, and its
    seeds."""
    known = 1 - sum(by for by, _, _ in arms)
    trained = [Training(by, by + errors, n) for by, errors, n in arms]
    spreads = [each.spread * random.chisquare(each.seeds - 1, WORLDS) / (each.seeds - 1) for each in trained]
    total, degrees = combined(known, CLUSTERS, trained, spreads)
    ends = np.sqrt(total) * stdtrit(degrees, 0.975)
    return int((np.abs(random.normal(size=WORLDS)) <= ends).sum())


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "least", "most"), [(2, 0.934, 0.971), (3, 0.94, 0.96), (5, 0.943, 0.954)])
def test_intervals_hold_the_truth_whatever_share_of_the_variance_is_of_seeds(
    seeds: int, least: float, most: float
) -> None:
    random = np.random.default_rng(seed())
    alone = [[(by, errors * (1 - by), seeds)] for by, errors in itertools.product(OF_SEEDS, OF_THEIR_ERRORS)]
    both = [
        [(by * share, errors * (1 - by) / 2, seeds) for share in (first, 1 - first)]
        for by, errors, first in itertools.product(OF_SEEDS, OF_THEIR_ERRORS, OF_THE_FIRST)
    ]
    for arms in alone + both:
        found = held(arms, random)
        assert at_least(found, WORLDS, least), (arms, found / WORLDS, seed())
        assert at_most(found, WORLDS, most), (arms, found / WORLDS, seed())
