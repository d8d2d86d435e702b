"""One paired difference, and what may be said of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.compare.samples import Samples, repeated, widened
from harness.stats import LEVEL, Floats, interval

Verdict = Literal["better", "worse", "equivalent", "not separated"]
ALPHA = 1 - LEVEL
PERCENT = 100.0
ALIKE: Sequence[Verdict] = ("equivalent", "not separated")
POWER = 0.8
_Z_TWO_SIDED, _Z_POWER = 1.959964, 0.841621
"""Normal quantiles of 1 - ALPHA / 2 and of POWER."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Shares of 1, a - b."""

    value: float
    low: float
    high: float
    equivalent: bool
    """Two one-sided tests at 5 % (Schuirmann 1987): the 90 % interval lies within the margin."""
    detectable: float
    """The difference that one uncorrected comparison of this precision finds with probability 0.8: in so many worlds
    like this one what is observed of it is larger than half of the interval's width there."""
    more_questions: int | None
    """About so many more would find the observed difference with that probability; None if no number would."""


def difference(a: Samples, b: Samples, margin: float, questions: int) -> Difference:
    by_questions = a.draws - b.draws
    draws = widened(by_questions, a, b)
    value = a.value - b.value
    low, high = interval(draws)
    inner_low, inner_high = interval(draws, 1 - 2 * ALPHA)
    error = (high - low) / 2 / _Z_TWO_SIDED
    # Of one checkpoint each, sums of flips move in steps of two answers, and one that equals what is observed counts.
    tie = 1 / questions if len(a.seeds) == len(b.seeds) == 1 else 0.0
    return Difference(
        value=value,
        low=low,
        high=high,
        equivalent=-margin < inner_low and inner_high < margin,
        detectable=_detectable((high - low) / 2, tie, *repeated(by_questions, a, b)),
        more_questions=_more(value, error, by_questions, questions),
    )


def _detectable(reach: float, tie: float, wider: Floats, errors: Floats) -> float:
    """Errors are as likely on either side."""
    if not len(errors):
        return math.nan
    needed = reach * wider + tie
    return float(np.quantile(np.concatenate([needed + errors, needed - errors]), POWER))


def _more(value: float, error: float, by_questions: Floats, questions: int) -> int | None:
    """Only the questions' part of the variance shrinks with more of them."""
    wanted = (abs(value) / (_Z_TWO_SIDED + _Z_POWER)) ** 2
    shrinks = float(np.nanvar(by_questions)) if np.isfinite(by_questions).any() else math.nan
    stays = max(0.0, error**2 - shrinks)
    if not wanted > stays or not math.isfinite(shrinks):
        return None
    return max(0, math.ceil(questions * shrinks / (wanted - stays)) - questions)


def in_points(found: Difference, p: float, p_adjusted: float, test: str) -> dict[str, Any]:
    """A difference as documents have it."""
    return {
        "difference": found.value * PERCENT,
        "low": found.low * PERCENT,
        "high": found.high * PERCENT,
        "p": p,
        "p_adjusted": p_adjusted,
        "test": test,
        "verdict": verdict(found, p_adjusted),
        "detectable": found.detectable * PERCENT,
    }


def verdict(found: Difference, p_adjusted: float) -> Verdict:
    """A difference that is certain but within the margin is called equivalent: the margin says that it is no matter."""
    if found.equivalent:
        return "equivalent"
    if p_adjusted < ALPHA:
        return "better" if found.value > 0 else "worse"
    return "not separated"
