"""What other training seeds would add to an interval over questions: one treatment of all that is a mean over seeds.

Checkpoints of one arm differ for two reasons: their training differed, and each of them errs on other questions. A
bootstrap over clusters of questions holds the second alone. The first is estimated from how far the seeds lie apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.stats import LEVEL, SEED, Clusters, Floats, alike, interval, resampled

Statistic = Callable[[Floats], Floats]
"""Sums over clusters of all arms' columns [..., columns] -> what is measured [...]."""
TAILS = 20
"""So many tails each draw is given: with few seeds they are long, and 2,000 would leave the ends to chance."""
ROUNDING = 1e-9
"""Seeds that are no further apart agree."""
UNDERRATED, SHARED = 6, 2.2
"""See `_freedom`."""
STEP = 1e-6
"""Of the largest sum: how far a sum is moved to see what that does to a statistic."""


@dataclass(frozen=True, slots=True)
class Training:
    """Variances of a mean over the seeds of one arm."""

    adds: float
    """What comes from which seeds trained it: below 0 where seeds differ by less than chance lets them; 0 where there
    is one seed, for then nothing is known of others."""
    spread: float
    """What the seeds' own variance stands for, questions' part included: how uncertain `adds` is follows from it."""
    seeds: int


def training(seeds: Floats, by_questions: float) -> Training:
    """Of what was observed of every seed [seeds]; `by_questions` is the part of its variance between them that comes
    from each one's erring on other questions."""
    count = len(seeds)
    if count < 2:
        return Training(0.0, 0.0, count)
    variance = float(seeds.var(ddof=1)) if np.ptp(seeds) > ROUNDING else 0.0
    return Training((variance - by_questions) / count, variance / count, count)


def widened(draws: Floats, clusters: int, *arms: Training) -> Floats:
    """Draws [n] of a statistic over so many clusters, around their mean, with what other seeds of these arms would add.

    Their variance grows to the sum of all components, and their tails to those of t. Components keep their sign, else
    the sum would be too large where seeds agree; but it is never taken for less than half of the questions' part. Draws
    that are nan stay so.
    """
    finite = draws[np.isfinite(draws)]
    if not _adds(finite, arms):
        return draws
    by_questions = float(finite.var())
    total, degrees = combined(by_questions, clusters, arms, [arm.spread for arm in arms])
    tails = np.sqrt(degrees / np.random.default_rng(SEED).chisquare(degrees, size=len(draws)))
    grown: Floats = finite.mean() + (draws - finite.mean()) * np.sqrt(total / by_questions) * tails
    return grown


def repeated(draws: Floats, clusters: int, *arms: Training) -> tuple[Floats, Floats]:
    """In worlds where variances are what they are taken for here, with other questions and other seeds: how many times
    as wide as here `widened` would make an interval, and by how much the statistic itself would err. [n] each, n the
    finite draws."""
    finite = draws[np.isfinite(draws)]
    errors = finite - finite.mean() if len(finite) else finite
    if not _adds(finite, arms):
        return np.ones(len(finite)), errors

    from scipy.special import stdtrit  # not where one seed each is compared

    random = np.random.default_rng(SEED)
    by_questions = float(finite.var())
    total, degrees = combined(by_questions, clusters, arms, [arm.spread for arm in arms])
    spreads = [
        arm.spread * random.chisquare(arm.seeds - 1, len(finite)) / (arm.seeds - 1) if arm.spread > 0 else 0.0
        for arm in arms
    ]
    totals, all_degrees = combined(by_questions, clusters, arms, spreads)
    end = (1 + LEVEL) / 2
    wider: Floats = np.sqrt(totals / total) * stdtrit(all_degrees, end) / stdtrit(degrees, end)
    return wider, errors * np.sqrt(total / by_questions)


def _adds(finite: Floats, arms: Sequence[Training]) -> bool:
    """Whether other seeds play a part in draws."""
    return any(arm.spread > 0 for arm in arms) and len(finite) > 0 and finite.var() > 0


def combined(by_questions: float, clusters: int, arms: Sequence[Training], spreads: Sequence[Any]) -> tuple[Any, Any]:
    """The variance of a statistic and its degrees of freedom, were these the arms' spreads: numbers, or arrays."""
    adds = sum(spread + arm.adds - arm.spread for arm, spread in zip(arms, spreads, strict=True))
    total = np.maximum(by_questions / 2, by_questions + adds)
    rest = np.maximum(0.0, total - sum(spreads))
    parts = [(spread, arm.seeds - 1) for arm, spread in zip(arms, spreads, strict=True) if arm.spread > 0]
    return total, _freedom(parts, rest, clusters)


def _freedom(parts: Sequence[tuple[float | Floats, int]], rest: float | Floats, clusters: int) -> Any:
    """Degrees of freedom of a sum of variances: of each arm's seeds, with their own degrees, and the rest, of clusters.
    Numbers, or arrays of one shape.

    Satterthwaite's (1946) but for two constants. A spread of few seeds is often small by chance, and then looks as if
    it hardly counted: it counts more often than once, the more so the fewer they are (`UNDERRATED`). And of two arms'
    spreads that are truly alike one is often small by chance, which looks as if only the other's degrees were there
    (`SHARED`). Both were set so that intervals hold the truth as often as they say, whatever share of a normal sum is
    of seeds; docs/measures.md tells how often.
    """
    own = sum(spread for spread, _ in parts)
    degrees = own**SHARED / sum(spread**SHARED / free for spread, free in parts)
    counted = own * (1 + UNDERRATED / degrees**2)
    return (rest + counted) ** 2 / (rest**2 / (clusters - 1) + counted**2 / degrees)


@dataclass(frozen=True, slots=True)
class Estimate:
    value: float
    low: float
    high: float
    spread: float | None
    """Standard deviation between the seeds of the first arm, where it has several."""


def estimate(arms: Sequence[Floats], statistic: Statistic, least: float, most: float) -> Estimate:
    """A statistic of the means over seeds, with a 95 % interval for new questions and new seeds.

    `arms` hold their sums in the same clusters, each [seeds, clusters, columns]; the statistic lies between `least` and
    `most`, and so do the ends of its interval. It need not be a mean: what a seed adds to it is taken by its slopes at
    the means (the delta method: Efron 1982, "The Jackknife, the Bootstrap and Other Resampling Plans", ch. 6). So the
    seeds' part of a largest difference is that of the two sides that are farthest apart.
    """
    means = np.concatenate([sums.mean(axis=0) for sums in arms], axis=-1)
    kinds, copies = alike(means)
    draws = resampled(copies, lambda weights: statistic(weights @ kinds))
    total = means.sum(axis=0)
    slopes = np.split(_slopes(statistic, total), np.cumsum([sums.shape[2] for sums in arms])[:-1])
    parts = [_training(sums, own) for sums, own in zip(arms, slopes, strict=True)]
    if any(part.spread > 0 for part in parts):
        draws = widened(np.tile(draws, TAILS), len(means), *parts)
    low, high = interval(np.clip(draws, least, most))
    first = parts[0]
    spread = float((first.spread * first.seeds) ** 0.5) if first.seeds > 1 else None
    return Estimate(float(statistic(total)), low, high, spread)


def _slopes(statistic: Statistic, total: Floats) -> Floats:
    """Of a statistic in every sum, by central differences: [columns]. Where two sides are equally far, their mean."""
    step = STEP * float(np.abs(total).max())
    if step == 0:
        return np.zeros(len(total))
    moves = step * np.eye(len(total))
    slopes: Floats = (statistic(total + moves) - statistic(total - moves)) / (2 * step)
    return slopes


def _training(sums: Floats, slopes: Floats) -> Training:
    """Of an arm's sums [seeds, clusters, columns], each weighed by its slope [columns]."""
    if len(sums) < 2:
        return training(np.zeros(len(sums)), 0.0)
    apart = (sums - sums.mean(axis=0)) @ slopes
    by_questions = apart.shape[1] * apart.var(axis=1).sum() / (len(sums) - 1)
    return training(apart.sum(axis=1), float(by_questions))


def summed(clusters: Clusters, counted: Floats, of: Floats) -> Floats:
    """What a share is the ratio of, in each cluster: sums of `counted` [seeds, n] and of `of` [n], for every seed:
    [seeds, clusters, 2]."""
    below = np.bincount(clusters.codes, of, clusters.count)
    return np.stack([np.stack([np.bincount(clusters.codes, own, clusters.count), below], axis=1) for own in counted])
