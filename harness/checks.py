"""Answers that cannot be scored are refused before they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.types import Answers, Question


class InvalidAnswers(HarnessError):
    """A plugin answered in a way that cannot be scored."""


def checked(questions: Sequence[Question], answers: Answers) -> Answers:
    """The answers in float32; raises `InvalidAnswers` unless each question has one finite score per choice."""
    import numpy as np

    if len(answers.scores) != len(questions):
        raise InvalidAnswers(f"{len(questions)} questions got {len(answers.scores)} answers")
    if answers.passages and len(answers.passages) != len(questions):
        raise InvalidAnswers(f"{len(questions)} questions got {len(answers.passages)} lists of passages")
    with np.errstate(over="ignore"):
        scores = tuple(np.asarray(row, dtype=np.float32) for row in answers.scores)
    for question, row in zip(questions, scores, strict=True):
        if row.shape != (len(question.choices),):
            raise InvalidAnswers(
                f"question {question.id!r} has {len(question.choices)} choices but scores of shape {row.shape}"
            )
        if not np.isfinite(row).all():
            raise InvalidAnswers(f"question {question.id!r} got a score that is not finite")
    return Answers(scores, answers.passages)
