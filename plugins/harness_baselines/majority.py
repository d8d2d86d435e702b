"""`majority`: what can be had without reading the question; every arm must beat it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from harness.plugin import Answerer, Answers, Context, Material, Question, Session


class Majority:
    """The most frequent label; where each question brings its own choices, the most frequent position."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        counts = Counter(example.target for example in material.train)

        def most_frequent(questions: Sequence[Question]) -> Answers:
            return Answers(
                tuple(
                    np.log([counts[place] + 1 for place in range(len(question.choices))]).astype(np.float32)
                    for question in questions
                )
            )

        return material, most_frequent
