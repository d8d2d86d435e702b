"""How sure an arm was of its answers: softmax of the stored scores over each question's own choices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.confidence import log_odds, shares
from harness.evidence import Evidence
from harness.plugin import NOT_PROBABILITIES
from harness.stats import Floats


@dataclass(frozen=True, slots=True)
class Beliefs:
    """Of every seed and question: [seeds, n] each."""

    top: Floats
    """Probability of the answer that was given, the most probable one."""
    odds: Floats
    """Its log-odds (see `confidence.log_odds`): the same order, and where `top` is nearly 1 a finer one."""
    gold: Floats
    """Probability of the right answer."""
    squares: Floats
    """Sum over the choices of their squared probabilities."""


def beliefs(evidence: Evidence) -> Beliefs:
    per_seed = []
    for cell, chosen in zip(evidence.cells, evidence.chosen, strict=True):
        scores, lengths = evidence.scores(cell)
        starts = np.cumsum(lengths) - lengths
        relative = shares(scores, lengths, chosen)
        probabilities = relative / np.repeat(np.add.reduceat(relative, starts), lengths)
        odds = log_odds(relative, lengths, chosen)
        top, gold = probabilities[starts + chosen], probabilities[starts + evidence.gold]
        per_seed.append((top, odds, gold, np.add.reduceat(probabilities**2, starts)))
    return Beliefs(*np.array(per_seed).swapaxes(0, 1))


def no_probabilities(evidence: Evidence) -> str | None:
    """Why the arm's scores say nothing of how probable its answers are; None where they do."""
    told = (cell.log.get(NOT_PROBABILITIES) for cell in evidence.cells)
    return next((str(why) for why in told if why), None)
