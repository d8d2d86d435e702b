"""Worlds of known truth for tests of instruments: their seed, samples of arms, bounds with room for chance."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator

import numpy as np
import pytest
from scipy.stats import binom

from harness import stats
from harness.compare.metrics import Accuracy
from harness.compare.samples import Samples, sampled
from harness.testing.worlds import Right
from tests.conftest import REPOSITORY

RESAMPLES = 2_000
CHANCE = 0.001
"""A bound is broken where what was seen is beyond it by more than chance allows so often."""


def seed() -> int:
    """Of the commit; where there is none, always the same."""
    done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True)
    return int(done.stdout.strip() or "0", 16) % 2**32


@pytest.fixture
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


def samples_of(right: Right) -> list[Samples]:
    """Of every arm of a world."""
    rows = np.full(right.shape[1:3], right.shape[3])
    sums = [np.stack([seeds.sum(axis=-1), rows], axis=-1).astype(float) for seeds in right]
    return sampled(sums, Accuracy(), RESAMPLES)


def pairs_of(arms: int) -> list[tuple[int, int]]:
    return list(itertools.combinations(range(arms), 2))


def at_least(count: int, of: int, share: float) -> bool:
    return bool(binom.cdf(count, of, share) > CHANCE)


def at_most(count: int, of: int, share: float) -> bool:
    return bool(binom.sf(count - 1, of, share) > CHANCE)
