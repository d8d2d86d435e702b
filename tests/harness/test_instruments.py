"""Whether intervals, p-values and detectable differences are what they say, in 5,000 worlds and more of known truth.

The worlds are other ones at every commit; a bound is broken where what was seen is beyond it by more than chance allows
once in a thousand times.
"""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from harness import stats
from harness.compare.metrics import Accuracy
from harness.compare.pairs import ALPHA, Difference, difference
from harness.compare.samples import Samples, sampled
from harness.compare.selection import select
from harness.compare.significance import holm, p_value
from harness.testing.worlds import Right, World

pytestmark = pytest.mark.slow

METRIC = Accuracy()
RESAMPLES = 2_000
MARGIN = 0.02
CHANCE = 0.001
PAIRS = {
    "a checkpoint each": World((0.70, 0.74)),
    "every question alone": World((0.70, 0.74), clusters=600, size=1, cluster_sd=0.0),
    "three seeds": World((0.70, 0.74), seeds=3),
    "three seeds that agree": World((0.55, 0.55), seeds=3, seed_sd=0.0),
    "five seeds that disagree": World((0.60, 0.63), seeds=5, seed_sd=0.2),
}
MANY = {"six checkpoints": World((0.7,) * 6), "six arms of three seeds": World((0.7,) * 6, seeds=3, seed_sd=0.05)}
TIMES, TIMES_FOUND, TIMES_MANY = 600, 300, 250
"""5,250 worlds in all, those included in which detectable differences are told."""


def seed() -> int:
    """Of the commit; where there is none, always the same."""
    root = Path(__file__).parents[2]
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True)
    return int(done.stdout.strip() or "0", 16) % 2**32


@pytest.fixture(autouse=True)
def same_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resamples are drawn from one seed, so those of so many clusters are always the same: here they are kept."""
    kept: dict[tuple[int, int, int], list[np.ndarray]] = {}
    draw = stats._weights

    def weights(copies: np.ndarray, resamples: int, seed: int) -> Iterator[np.ndarray]:
        key = len(copies), resamples, seed
        if not (copies == 1).all():
            return draw(copies, resamples, seed)
        if key not in kept:
            kept[key] = list(draw(copies, resamples, seed))
        return iter(kept[key])

    monkeypatch.setattr(stats, "_weights", weights)


def arms(right: Right) -> list[Samples]:
    rows = np.full(right.shape[1:3], right.shape[3])
    return sampled([np.stack([seeds.sum(axis=-1), rows], axis=-1).astype(float) for seeds in right], METRIC, RESAMPLES)


@dataclass(frozen=True)
class Seen:
    found: Difference
    p: float


def seen(world: World, times: int, drawn: int) -> list[Seen]:
    """Arm 1 less arm 0 in so many worlds."""
    rows, result = world.clusters * world.size, []
    for right in world.draws(times, drawn):
        a, b = arms(right)
        result.append(Seen(difference(b, a, MARGIN, rows), p_value(b, a, METRIC)[0]))
    return result


def at_least(count: int, of: int, share: float) -> bool:
    return bool(binom.cdf(count, of, share) > CHANCE)


def at_most(count: int, of: int, share: float) -> bool:
    return bool(binom.sf(count - 1, of, share) > CHANCE)


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
        found = arms(right)
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
    equal = replace(PAIRS[name], accuracies=(0.65, 0.65))
    told = float(np.mean([each.found.detectable for each in seen(equal, 50, seed())]))
    found = sum(each.p < ALPHA for each in seen(equal.raised(1, told), TIMES_FOUND, seed() + 1))
    assert at_least(found, TIMES_FOUND, 0.77), f"{found} of {TIMES_FOUND} at {told:.4f}, seed {seed()}"
    assert at_most(found, TIMES_FOUND, 0.83), f"{found} of {TIMES_FOUND} at {told:.4f}, seed {seed()}"
