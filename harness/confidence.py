"""How sure an arm is of its answers, and bins by it: what calibration is measured in, and rows are found by."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from harness.stats import Floats, Ints

DIGITS = 4
"""Of log-odds: what float32 scores tell, and so many that rounding breaks no tie."""
BINS, LEAST_IN_BIN = 15, 10
"""Bins of calibration: fewer where they would hold fewer questions than that."""


def shares(scores: npt.NDArray[np.floating[Any]], lengths: Ints, chosen: npt.NDArray[np.integer[Any]]) -> Floats:
    """Probabilities of all choices as multiples of that of the chosen one; `scores` of one question after another,
    `lengths` and `chosen` [n]."""
    starts = np.cumsum(lengths) - lengths
    found: Floats = np.exp(scores.astype(np.float64) - np.repeat(scores[starts + chosen], lengths))
    return found


def log_odds(of: Floats, lengths: Ints, chosen: npt.NDArray[np.integer[Any]]) -> Floats:
    """Of the chosen answers, from `shares`, rounded to `DIGITS`: [n]; where probabilities are near 1 they tell more."""
    starts = np.cumsum(lengths) - lengths
    others = of.copy()
    others[starts + chosen] = 0
    with np.errstate(divide="ignore"):  # infinitely sure, as far as floats tell
        odds = np.round(-np.log(np.add.reduceat(others, starts)), DIGITS)
    return np.asarray(odds, dtype=np.float64)


def equal_mass(values: Floats, count: int) -> Ints:
    """A bin of `count` for each value, in their order, as nearly equal in size as can be: [n].

    Equal values share a bin, the one of their middle rank, so that the order of rows decides nothing.
    """
    _, level, sizes = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(sizes) - (sizes + 1) / 2
    return np.asarray(middle * count // len(values), dtype=np.int64)[level]


def reliability_bins(odds: Floats) -> Ints:
    """The bin of each answer of one seed, from the least sure to the surest, some of them without any: [n]."""
    return equal_mass(odds, max(1, min(BINS, len(odds) // LEAST_IN_BIN)))
