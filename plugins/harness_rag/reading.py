"""Attaching passages to questions, and choosing on validation how many are read and how much they weigh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from harness.plugin import AUTO, Answerer, Answers, Context, Example, Material, Passage, Question, Session
from harness.training import cross_entropy
from harness_rag.retrieved import Hits

KS = (1, 3, 5, 10)
READINGS = (0.25, 0.5, 0.75, 1.0)
START_K, START_READING = 3, 0.5
"""What training reads, and answering where there is no validation set to choose on."""
COMPARED = 8

Passages = Callable[[Question, int], tuple[Passage, ...]]
"""The k best passages for a question."""


class Reading:
    """What every context step shares: attaching, choosing, and telling what retrieval took.

    `context.recall` holds what a kept adaptation chose.
    """

    def __init__(self, step: str, hits: Hits, passages: Passages, material: Material, context: Context) -> None:
        k, reading = context.settings["k"], context.settings["reading"]
        self._step, self._passages, self._validation = step, passages, material.validation
        self._ks = KS if k == AUTO else (k,)
        self._readings = READINGS if reading == AUTO else (reading,)
        self.k = k if k != AUTO else START_K
        self.reading = reading if reading != AUTO else START_READING
        self._in_training = bool(context.settings["in_training"])
        retrieved_for = len(material.validation) + (len(material.train) if self._in_training else 0)
        context.record("retrieval_latency_s", hits.meta["latency_s"])
        context.record("retrieval_s_per_question", hits.meta["s_per_question"])
        context.record("retrieval_s_in_adapting", hits.meta["s_per_question"] * retrieved_for)

    def material(self, material: Material) -> Material:
        """Training and validation questions with passages attached, if training shall see them."""
        if not self._in_training:
            return material
        return replace(material, train=self._examples(material.train), validation=self._examples(material.validation))

    def answerer(self, answer: Answerer) -> Answerer:
        def read(questions: Sequence[Question]) -> Answers:
            return answer(self._attached(questions, self.k, self.reading))

        return read

    def settle(self, session: Session, context: Context) -> None:
        """Choose k and the reading weight by validation accuracy, ties by lower cross-entropy."""
        known = context.recall(self._step)
        if known is not None:
            self.k, self.reading = known["k"], known["reading"]
            return
        if self._validation and len(self._ks) * len(self._readings) > 1:
            questions = [example.question for example in self._validation]
            targets = [example.target for example in self._validation]
            tried = []
            for k in self._ks:
                for reading in self._distinct(session, questions):
                    scores = session.answer(self._attached(questions, k, reading)).scores
                    right = sum(int(row.argmax()) == target for row, target in zip(scores, targets, strict=True))
                    tried.append((right, -cross_entropy(scores, targets), k, reading))
            _, _, self.k, self.reading = max(tried)
        context.record(self._step, {"k": self.k, "reading": self.reading})

    def _distinct(self, session: Session, questions: Sequence[Question]) -> Sequence[float]:
        """The readings to try; one is enough for a model that reads passages in its prompt, whatever they weigh."""
        if len(self._readings) == 1:
            return self._readings
        some = questions[:COMPARED]
        low, high = (session.answer(self._attached(some, START_K, each)).scores for each in self._readings[::3])
        same = all(np.array_equal(a, b) for a, b in zip(low, high, strict=True))
        return self._readings[-1:] if same else self._readings

    def _examples(self, examples: Sequence[Example]) -> tuple[Example, ...]:
        questions = self._attached([example.question for example in examples], self.k, self.reading)
        return tuple(replace(example, question=question) for example, question in zip(examples, questions, strict=True))

    def _attached(self, questions: Sequence[Question], k: int, reading: float) -> list[Question]:
        return [replace(question, passages=self._passages(question, k), reading=reading) for question in questions]
