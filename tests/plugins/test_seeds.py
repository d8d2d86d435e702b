"""What other seeds add to intervals of differences: on paper, beside comparisons of arms, in worlds of known truth.

The worlds are other ones at every commit, as those of `tests/harness/test_instruments.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import stats
from harness.compare.metrics import Accuracy
from harness.compare.samples import sampled, widened
from harness.evidence import Evidence
from harness.seeds import estimate, summed
from harness.stats import Clusters, Floats, interval, ratio
from harness.testing.worlds import Right, World
from harness.types import Row
from harness_measures import gaps
from tests.support.given import finished, made, measured, row
from tests.support.worlds import at_least, at_most, same_resamples, seed

FOLDED = np.arange(40) % 20
"""Twenty clusters of two rows."""


def mean(sums: Floats) -> Floats:
    return 100 * ratio(sums[..., 0], sums[..., 1])


def widest(sums: Floats) -> Floats:
    """Of three shares."""
    rates = 100 * ratio(sums[..., ::2], sums[..., 1::2])
    found: Floats = rates.max(axis=-1) - rates.min(axis=-1)
    return found


def of_rows(right: Floats) -> Floats:
    return summed(Clusters(FOLDED, 20), right, np.ones(40))


def test_one_seed_says_nothing_of_others() -> None:
    right = (np.arange(40) % 3 > 0).astype(float)[None]
    found = estimate([of_rows(right)], mean, 0, 100)
    low, high = stats.mean_interval(right[0], Clusters(FOLDED, 20))
    assert (found.low, found.high, found.spread) == (pytest.approx(100 * low), pytest.approx(100 * high), None)


def test_a_mean_is_widened_as_comparisons_widen_it() -> None:
    """Theirs takes the questions' part of the seeds' variance from resamples, here it is computed."""
    random = np.random.default_rng(0)
    right = (random.random((3, 40)) < np.array([[0.5], [0.6], [0.85]])).astype(float)
    (own,) = sampled([of_rows(right)], Accuracy(), 40_000)
    low, high = interval(widened(own.draws, own))
    found = estimate([of_rows(right)], mean, -1_000, 1_000)
    assert (found.low, found.high) == pytest.approx((100 * low, 100 * high), abs=(high - low) * 100 / 20)
    assert found.spread == pytest.approx(100 * right.mean(axis=1).std(ddof=1))


def test_seeds_move_a_largest_difference_by_its_two_ends_alone() -> None:
    """Shares of .9, .5 and .1 on average: the one in the middle, on which seeds differ most, plays no part."""
    rates = np.array([[0.85, 0.2, 0.1], [0.95, 0.8, 0.1]])
    sums = np.zeros((2, 20, 6))
    sums[..., ::2], sums[..., 1::2] = rates[:, None], 1
    found = estimate([sums], widest, 0, 100)
    assert (found.value, found.spread) == (pytest.approx(80), pytest.approx(10 / 2**0.5))


def test_an_interval_ends_where_what_is_measured_does() -> None:
    random = np.random.default_rng(1)
    right = (random.random((2, 40)) < np.array([[0.6], [0.95]])).astype(float)
    found = estimate([of_rows(right)], mean, 0, 100)
    assert (found.low, found.high) == (0, 100), "two seeds so far apart say nothing"


def test_clusters_with_the_same_sums_are_drawn_as_one_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    right = np.tile((np.arange(40) % 3 > 0).astype(float), 10)[None]
    sums = summed(Clusters(np.arange(400) // 2, 200), right, np.ones(400))
    apart = estimate([sums], mean, 0, 100)
    monkeypatch.setattr(stats, "MANY_CLUSTERS", 200)
    kinds, copies = stats.alike(sums[0])
    assert (len(kinds), copies.sum()) == (2, 200), "one or two of two are right"
    found = estimate([sums], mean, 0, 100)
    assert found.value == pytest.approx(apart.value)
    assert (found.low, found.high) == pytest.approx((apart.low, apart.high), abs=(apart.high - apart.low) / 10)


# -- worlds ------------------------------------------------------------------------------------------------

TIMES = 300
TWO = World((0.80, 0.68), seeds=3)
"""Of one arm: on one half of what is asked, and on the other."""
FOUR = World((0.82, 0.66, 0.66, 0.56), seeds=3)
"""Of an arm and of its base: on questions about women, and about men."""
SEEDS = {
    "seeds that agree": (3, 0.0),
    "three seeds": (3, 0.07),
    "seeds that disagree": (3, 0.2),
    "five seeds": (5, 0.1),
}
CASES = [
    *(("bias_delta", name) for name in SEEDS),
    *itertools.product(("group_gap", "overfit_gap"), ("three seeds", "five seeds")),
]


def evidence(measure: str, right: Right, rows: Sequence[Row]) -> Evidence:
    """What each of two or four arms of a world got right [arms, seeds, clusters, size], asked about two people of one
    question, by the base too, or of what was trained on and what was not."""
    first, second, *base = 1 - right.reshape(*right.shape[:2], -1).astype(int)
    if measure == "overfit_gap":
        half = len(rows) // 2
        sides = zip(first.tolist(), second.tolist(), strict=True)
        cells = [finished({"train_sample": trained, "test": other}) for trained, other in sides]
        return made({"train_sample": rows[:half], "test": rows[half:]}, *cells)

    def of_people(*each: Any) -> Evidence:
        cells = [finished({"test": answers.tolist()}) for answers in np.concatenate(each, axis=1)]
        return made({"test": rows}, *cells, groups=["gender"])

    return replace(of_people(first, second), base=of_people(*base) if base else None)


@pytest.mark.slow
@pytest.mark.usefixtures(same_resamples.__name__)
@pytest.mark.parametrize(("measure", "name"), CASES)
def test_intervals_of_differences_hold_the_truth_for_other_seeds(
    measure: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Off their bounds: a gap of 12 points, or of 16 less one of 10."""
    monkeypatch.setattr(gaps.Gaps, "p", lambda self, shares: None)
    seeds, sd = SEEDS[name]
    world = replace(FOUR if measure == "bias_delta" else TWO, seeds=seeds, seed_sd=sd)
    rows = [row(str(n // world.size), gender=one) for one in "fm" for n in range(world.clusters * world.size)]
    truth = 100 * sum(sign * each for sign, each in zip((1, -1, -1, 1), world.accuracies, strict=False))
    held = 0
    for right in world.draws(TIMES, seed()):
        found = measured(measure, evidence(measure, right, rows))
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert at_least(held, TIMES, 0.94), f"{held} of {TIMES}, seed {seed()}"
    assert at_most(held, TIMES, 0.96), f"{held} of {TIMES}, seed {seed()}"
