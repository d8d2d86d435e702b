"""Whether an arm knows what cannot be answered, where the task names the answer that says so (`fields.abstain`)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.evidence import Evidence
from harness.stats import Ints
from harness.types import Measurement, not_measured
from harness_measures.shares import share


def abstention(evidence: Evidence) -> Measurement:
    """Of the questions whose right answer is to abstain, the share on which the arm does, in percent."""
    return _share(evidence, "higher", lambda gold, place: gold == place, lambda chosen, place: chosen == place)


def fabrication(evidence: Evidence) -> Measurement:
    """Of the same questions, the share that the arm answers with something else, in percent."""
    return _share(evidence, "lower", lambda gold, place: gold == place, lambda chosen, place: chosen != place)


def overcaution(evidence: Evidence) -> Measurement:
    """Of the questions that have an answer and offer to abstain, the share on which the arm abstains, in percent."""
    return _share(evidence, "lower", lambda gold, place: gold != place, lambda chosen, place: chosen == place)


def _share(
    evidence: Evidence, better: str, asked: Callable[[Ints, Ints], Ints], counted: Callable[[Ints, Ints], Ints]
) -> Measurement:
    if evidence.task.abstain is None:
        return not_measured("the task names no answer that abstains", "%", better)
    place = _places(evidence, evidence.task.abstain)
    (kept,) = np.nonzero((place >= 0) & asked(evidence.gold, place))
    if not len(kept):
        return not_measured("no such questions", "%", better)
    return share(evidence, kept, counted(evidence.chosen[:, kept], place[kept]).mean(axis=0), better)


def _places(evidence: Evidence, abstain: str) -> Ints:
    """The place of the answer that abstains among each question's choices, -1 where it is none of them: [n]."""
    labels = evidence.task.labels
    if labels:
        return np.full(len(evidence.kept), labels.index(abstain))
    offered = (row.question.choices for row in evidence.rows)
    return np.array([choices.index(abstain) if abstain in choices else -1 for choices in offered], dtype=np.int64)
