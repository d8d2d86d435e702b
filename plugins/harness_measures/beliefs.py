"""How sure an arm was of its answers: softmax of the stored scores over each question's own choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.evidence import Evidence
from harness.plugin import NOT_PROBABILITIES
from harness.stats import Floats, Ints

DIGITS = 4
"""Of log-odds: what float32 scores tell, and so many that rounding breaks no tie."""


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Of every seed and question: [seeds, n] each."""

    top: Floats
    """Probability of the answer that was given, the most probable one."""
    odds: Floats
    """Its log-odds, rounded to `DIGITS`: the same order, and where `top` is nearly 1 a finer one."""
    gold: Floats
    """Probability of the right answer."""
    squares: Floats
    """Sum over the choices of their squared probabilities."""


def beliefs(evidence: Evidence) -> Beliefs:
    per_seed = []
    for cell, chosen in zip(evidence.cells, evidence.chosen, strict=True):
        scores, lengths = evidence.scores(cell)
        starts = np.cumsum(lengths) - lengths
        shares = np.exp(scores.astype(np.float64) - np.repeat(scores[starts + chosen], lengths))
        probabilities = shares / np.repeat(np.add.reduceat(shares, starts), lengths)
        shares[starts + chosen] = 0
        with np.errstate(divide="ignore"):  # infinitely sure, as far as floats tell
            odds = np.round(-np.log(np.add.reduceat(shares, starts)), DIGITS)
        top, gold = probabilities[starts + chosen], probabilities[starts + evidence.gold]
        per_seed.append((top, odds, gold, np.add.reduceat(probabilities**2, starts)))
    return Beliefs(*np.array(per_seed).swapaxes(0, 1))


def no_probabilities(evidence: Evidence) -> str | None:
    """Why the arm's scores say nothing of how probable its answers are; None where they do."""
    told = (cell.log.get(NOT_PROBABILITIES) for cell in evidence.cells)
    return next((str(why) for why in told if why), None)


def equal_mass(values: Floats, count: int) -> Ints:
    """A bin of `count` for each value, in their order, as nearly equal in size as can be: [n].

    Equal values share a bin, the one of their middle rank, so that the order of rows decides nothing.
    """
    _, level, sizes = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(sizes) - (sizes + 1) / 2
    return np.asarray(middle * count // len(values), dtype=np.int64)[level]
