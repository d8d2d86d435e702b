"""The k nearest training questions vote for the choice that was right for them, each by its similarity."""

from collections.abc import Sequence

import numpy as np

from harness.plugin import Answerer, Answers, Context, Material, Question, Session

FLOOR = 1e-3
"""What a choice has without any vote, so that its logarithm is a number."""


class Nearest:
    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        assert session is not None
        known = session.embed([example.question.text for example in material.train])
        right = [example.question.choices[example.target] for example in material.train]
        k = min(context.settings["k"], len(right))

        def scores(question: Question, vector: np.ndarray) -> np.ndarray:
            similar = known @ vector
            votes = dict.fromkeys(question.choices, FLOOR)
            for row in np.argsort(-similar, kind="stable")[:k]:
                if right[row] in votes:
                    votes[right[row]] += max(0.0, float(similar[row]))
            return np.log(np.array(list(votes.values()), dtype=np.float32))

        def nearest(questions: Sequence[Question]) -> Answers:
            vectors = session.embed([question.text for question in questions])
            return Answers(tuple(map(scores, questions, vectors)))

        return material, nearest
