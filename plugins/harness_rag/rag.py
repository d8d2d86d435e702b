"""`rag`: attaches retrieved passages to questions; how many and how much they weigh is chosen on validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.plugin import AUTO, Answerer, Answers, Context, Example, Material, Question, Session
from harness.training import cross_entropy
from harness_rag.retrieved import Retrieved

KS = (1, 3, 5, 10)
READINGS = (0.25, 0.5, 0.75, 1.0)
START_K, START_READING = 3, 0.5
"""What training reads, and answering where there is no validation set to choose on."""
COMPARED = 8


class Rag:
    """Retrieved passages are the frozen retriever's; only k and the reading weight are chosen here."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        self.retrieved: Retrieved = context.asset("retrieved")
        self.material = material
        self.ks = KS if context.settings["k"] == AUTO else (context.settings["k"],)
        self.readings = READINGS if context.settings["reading"] == AUTO else (context.settings["reading"],)
        self.k = self.ks[0] if len(self.ks) == 1 else START_K
        self.reading = self.readings[0] if len(self.readings) == 1 else START_READING
        context.record("retrieval_latency_s", self.retrieved.meta["latency_s"])
        context.record("retrieval_s_per_question", self.retrieved.meta["s_per_question"])
        if context.settings["in_training"]:
            material = replace(
                material,
                train=self._examples(material.train),
                validation=self._examples(material.validation),
            )

        def read(questions: Sequence[Question]) -> Answers:
            return answer(self._attached(questions, self.k, self.reading))

        return material, read

    def settle(self, session: Session | None, context: Context) -> None:
        """Choose k and the reading weight by validation accuracy, ties by lower cross-entropy."""
        assert session is not None
        known = context.recall("rag")
        if known is not None:
            self.k, self.reading = known["k"], known["reading"]
            return
        validation = self.material.validation
        if validation and len(self.ks) * len(self.readings) > 1:
            questions = [example.question for example in validation]
            targets = [example.target for example in validation]
            tried = []
            for k in self.ks:
                for reading in self._distinct(session, questions):
                    scores = session.answer(self._attached(questions, k, reading)).scores
                    right = sum(int(row.argmax()) == target for row, target in zip(scores, targets, strict=True))
                    tried.append((right, -cross_entropy(scores, targets), k, reading))
            _, _, self.k, self.reading = max(tried)
        context.record("rag", {"k": self.k, "reading": self.reading})

    def _distinct(self, session: Session, questions: Sequence[Question]) -> Sequence[float]:
        """The readings to try; one is enough for a model that reads passages in its prompt, whatever they weigh."""
        if len(self.readings) == 1:
            return self.readings
        some = questions[:COMPARED]
        low, high = (session.answer(self._attached(some, START_K, each)).scores for each in self.readings[::3])
        same = all(np.array_equal(a, b) for a, b in zip(low, high, strict=True))
        return self.readings[-1:] if same else self.readings

    def _examples(self, examples: Sequence[Example]) -> tuple[Example, ...]:
        questions = self._attached([example.question for example in examples], self.k, self.reading)
        return tuple(replace(example, question=question) for example, question in zip(examples, questions, strict=True))

    def _attached(self, questions: Sequence[Question], k: int, reading: float) -> list[Question]:
        documents = self.material.documents
        return [
            replace(question, passages=self.retrieved.passages(question.text, k, documents), reading=reading)
            for question in questions
        ]
