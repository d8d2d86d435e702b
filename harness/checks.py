"""Answers that cannot be scored are refused before they are stored."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import HarnessError
from harness.types import Answers, Question


class InvalidAnswers(HarnessError):
    """A plugin answered in a way that cannot be scored."""


def check_answers(questions: Sequence[Question], answers: Answers) -> None:
    """Raise `InvalidAnswers` unless there is one finite score per choice of every question."""
    import numpy as np

    if len(answers.scores) != len(questions):
        raise InvalidAnswers(f"{len(questions)} questions got {len(answers.scores)} answers")
    if answers.passages and len(answers.passages) != len(questions):
        raise InvalidAnswers(f"{len(questions)} questions got {len(answers.passages)} lists of passages")
    for question, scores in zip(questions, answers.scores, strict=True):
        if np.shape(scores) != (len(question.choices),):
            raise InvalidAnswers(
                f"question {question.id!r} has {len(question.choices)} choices but scores of shape {np.shape(scores)}"
            )
        if not np.isfinite(scores).all():
            raise InvalidAnswers(f"question {question.id!r} got a score that is not finite")
