"""Whether intervals, p-values and detectable differences are what they say, in 5,000 worlds and more of known truth.

The worlds are other ones at every commit; a bound is broken where what was seen is beyond it by more than chance allows
once in a thousand times.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

from harness.compare.metrics import Accuracy
from harness.compare.pairs import ALPHA, Difference, difference
from harness.compare.selection import select
from harness.compare.significance import holm, p_value
from harness.testing.worlds import World
from tests.support.worlds import at_least, at_most, same_resamples, samples_of, seed

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures(same_resamples.__name__)]

METRIC = Accuracy()
MARGIN = 0.02
PAIRS = {
    "a checkpoint each": World((0.70, 0.74)),
    "every question alone": World((0.70, 0.74), clusters=600, size=1, cluster_sd=0.0),
    "three seeds": World((0.70, 0.74), seeds=3),
    "three seeds that agree": World((0.55, 0.55), seeds=3, seed_sd=0.0),
    "five seeds that disagree": World((0.60, 0.63), seeds=5, seed_sd=0.2),
}
MANY = {"six checkpoints": World((0.7,) * 6), "six arms of three seeds": World((0.7,) * 6, seeds=3, seed_sd=0.05)}
TIMES, TIMES_FOUND, TIMES_MANY = 600, 300, 250
"""5,500 worlds in all, those included in which detectable differences are told."""


@dataclass(frozen=True)
class Seen:
    found: Difference
    p: float


def seen(world: World, times: int, drawn: int) -> list[Seen]:
    """Arm 1 less arm 0 in so many worlds."""
    rows, result = world.clusters * world.size, []
    for right in world.draws(times, drawn):
        a, b = samples_of(right)
        result.append(Seen(difference(b, a, MARGIN, rows), p_value(b, a, METRIC)[0]))
    return result


@pytest.mark.parametrize("name", PAIRS)
def test_intervals_hold_the_truth_in_nineteen_of_twenty_worlds(name: str) -> None:
    world = PAIRS[name]
    truth = world.accuracies[1] - world.accuracies[0]
    held = sum(each.found.low <= truth <= each.found.high for each in seen(world, TIMES, seed()))
    assert at_least(held, TIMES, 0.94), f"{held} of {TIMES}, seed {seed()}"
    assert at_most(held, TIMES, 0.96), f"{held} of {TIMES}, seed {seed()}"


@pytest.mark.parametrize("name", MANY)
def test_of_six_equal_arms_hardly_ever_any_two_are_told_apart(name: str) -> None:
    """And choosing the best of them flatters it, which the corrected figure does not."""
    false, raw, corrected = 0, [], []
    for right in MANY[name].draws(TIMES_MANY, seed()):
        found = samples_of(right)
        p = [p_value(a, b, METRIC)[0] for a, b in itertools.combinations(found, 2)]
        false += min(holm(p)) < ALPHA
        chosen = select(found)
        raw.append(found[chosen.best].value - 0.7)
        corrected.append(chosen.corrected - 0.7)
    assert at_most(false, TIMES_MANY, 0.055), f"{false} of {TIMES_MANY}, seed {seed()}"
    assert np.mean(raw) > 0.01
    assert abs(np.mean(corrected)) < np.mean(raw) / 2


@pytest.mark.parametrize("name", PAIRS)
def test_the_detectable_difference_is_found_four_times_in_five(name: str) -> None:
    """About one half, where variances hardly depend on accuracy: a difference is told for variances as they are."""
    equal = replace(PAIRS[name], accuracies=(0.5, 0.5))
    told = float(np.mean([each.found.detectable for each in seen(equal, 100, seed())]))
    apart = replace(equal, accuracies=(0.5 - told / 2, 0.5 + told / 2))
    found = sum(each.p < ALPHA for each in seen(apart, TIMES_FOUND, seed() + 1))
    assert at_least(found, TIMES_FOUND, 0.77), f"{found} of {TIMES_FOUND} at {told:.4f}, seed {seed()}"
    assert at_most(found, TIMES_FOUND, 0.83), f"{found} of {TIMES_FOUND} at {told:.4f}, seed {seed()}"
