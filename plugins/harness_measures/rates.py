"""Who is given the favourable label: rates of a whole set, or of one value of a group."""

from __future__ import annotations

import numpy as np

from harness.evidence import Evidence
from harness.stats import LEAST_GROUP
from harness.types import Measurement, not_measured
from harness_measures.shares import share


def selection_rate(evidence: Evidence) -> Measurement:
    """Share of rows answered with the positive label, in percent."""
    return _rate(evidence, None)


def true_positive_rate(evidence: Evidence) -> Measurement:
    """The same of the rows whose gold it is."""
    return _rate(evidence, True)


def false_positive_rate(evidence: Evidence) -> Measurement:
    """The same of the rows whose gold it is not."""
    return _rate(evidence, False)


def _rate(evidence: Evidence, gold: bool | None) -> Measurement:
    """Mean over seeds, then over rows; clusters resampled. Few rows are measured, and the reason says so."""
    if evidence.task.positive is None:
        return not_measured("the task names no positive label", "%")
    positive = evidence.task.labels.index(evidence.task.positive)
    (kept,) = np.nonzero(np.ones(len(evidence.gold)) if gold is None else (evidence.gold == positive) == gold)
    if not len(kept):
        return not_measured("no rows", "%")
    few = f"fewer than {LEAST_GROUP} rows" if len(kept) < LEAST_GROUP else None
    return share(evidence, kept, (evidence.chosen[:, kept] == positive).mean(axis=0), reason=few)
