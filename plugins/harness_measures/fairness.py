"""Whether a favourable label goes to the people of each group alike, where the task names such a label."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.evidence import Evidence
from harness.stats import Floats
from harness.types import Measurement, not_measured
from harness_measures.gaps import Share, compared, widest_gap


def parity_gap(evidence: Evidence) -> Measurement:
    """Demographic parity: highest minus lowest share of rows answered with the positive label between the values of
    one group, in points (Dwork et al. 2012, arXiv:1104.3913; Agarwal et al. 2018, arXiv:1803.02453, definition 1).
    """
    return _measured(evidence, lambda chosen, gold: [Share(chosen, np.ones(len(gold)))])


def odds_gap(evidence: Evidence) -> Measurement:
    """Equalised odds: the larger of the largest difference in true positive rate and the largest in false positive
    rate between the values of one group, in points (Hardt, Price & Srebro 2016, arXiv:1610.02413, definition 2.1).
    """
    return _measured(evidence, lambda chosen, gold: [Share(chosen * gold, gold), Share(chosen * (1 - gold), 1 - gold)])


def _measured(evidence: Evidence, shares: Callable[[Floats, Floats], list[Share]]) -> Measurement:
    """`shares` of the rows that each seed answers with the positive label, and of those whose gold it is."""
    asked, task = compared(evidence), evidence.task
    if task.positive is None:
        return not_measured("the task names no positive label", "points", "lower")
    if not task.groups:
        return not_measured("the task names no groups", "points", "lower")
    if asked is None:
        return not_measured("not asked", "points", "lower")
    positive = task.labels.index(task.positive)
    chosen = (asked.chosen == positive).astype(float)
    return widest_gap(asked, shares(chosen, (asked.gold == positive).astype(float)))
