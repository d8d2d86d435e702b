"""One bootstrap for all arms: every resample draws the same clusters for each, so differences stay paired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness import seeds
from harness.compare.metrics import Metric
from harness.seeds import Training, training
from harness.stats import FEW_KINDS, LEAST_CLUSTERS, Floats, Ints, resampled

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Samples:
    """One arm's metric."""

    sums: Floats
    """[seeds, clusters, columns], see `Metric`."""
    seeds: Floats
    """As observed, of every seed: [seeds]."""
    draws: Floats
    """Mean over seeds in every resample of clusters: [resamples]."""
    training: Training
    """What other seeds would add to the variance of `value`."""

    @property
    def value(self) -> float:
        return float(self.seeds.mean())


def sampled(arms: Sequence[Floats], metric: Metric, resamples: int = RESAMPLES) -> list[Samples]:
    """For the cluster sums of every arm, each [seeds, clusters, columns], over the same clusters.

    Cluster bootstrap of the seeds' mean (Cameron, Gelbach & Miller 2008). The seeds of one arm vary for two reasons:
    training differs, and each seed errs on other questions. The second is in the bootstrap already; `training` is the
    rest.
    """
    found = []
    for sums, draws in zip(arms, _draws(arms, metric, resamples), strict=True):
        observed = metric.of(sums.sum(axis=1))
        found.append(Samples(sums, observed, draws.mean(axis=1), training(observed, _by_questions(draws))))
    return found


def widened(draws: Floats, *arms: Samples) -> Floats:
    """Draws [n] of a statistic with what other seeds of these arms would add (see `seeds.widened`)."""
    return seeds.widened(draws, arms[0].sums.shape[1], *(arm.training for arm in arms))


def repeated(draws: Floats, *arms: Samples) -> tuple[Floats, Floats]:
    """How wide intervals of such draws [n] would be in other worlds, and their errors (see `seeds.repeated`)."""
    return seeds.repeated(draws, arms[0].sums.shape[1], *(arm.training for arm in arms))


def _draws(arms: Sequence[Floats], metric: Metric, resamples: int) -> list[Floats]:
    """The metric of every seed in every resample: [resamples, seeds] per arm; nan for too few clusters."""
    clusters = arms[0].shape[1]
    if clusters < LEAST_CLUSTERS:
        return [np.full((resamples, len(sums)), np.nan) for sums in arms]
    wide = np.concatenate([np.moveaxis(sums, 0, 1).reshape(clusters, -1) for sums in arms], axis=1)
    kinds, copies = _kinds(wide)
    ends = np.cumsum([len(sums) * sums.shape[2] for sums in arms])[:-1]

    def of_every_seed(weights: Floats) -> Floats:
        drawn = np.split(weights @ kinds, ends, axis=1)
        found = [metric.of(own.reshape(len(own), len(sums), -1)) for own, sums in zip(drawn, arms, strict=True)]
        return np.concatenate(found, axis=1)

    draws = resampled(copies, of_every_seed, resamples)
    return np.split(draws, np.cumsum([len(sums) for sums in arms])[:-1], axis=1)


def _kinds(wide: Floats) -> tuple[Floats, Ints]:
    """Different rows and how often each occurs: clusters that every arm answers alike are one kind."""
    kinds, copies = np.unique(wide, axis=0, return_counts=True)
    if len(kinds) * FEW_KINDS <= len(wide):
        return kinds, copies
    return wide, np.ones(len(wide), dtype=np.int64)


def _by_questions(draws: Floats) -> float:
    """Of the variance between seeds, the part that resampling questions [resamples, seeds] gives them: 0 for one."""
    count = draws.shape[1]
    if count < 2:
        return 0.0
    return float((draws - draws.mean(axis=1, keepdims=True)).var(axis=0, ddof=1).sum() / (count - 1))
