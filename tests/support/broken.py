"""Plugins that are each wrong in one way, for the tests that must notice it."""

from __future__ import annotations

import itertools
import pickle
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.codec import decoded_rows
from harness.plugin import AllWeights, Answers, Artifact, Example, PluginError, Question, Recipe, TuneLog, Usage
from harness.store import read_parts
from harness.testing import FakeBackend, FakeSession

# -- backends ----------------------------------------------------------------------------------------------


class Batched(FakeSession):
    """Its scores depend on what else is asked."""

    def answer(self, questions: Sequence[Question]) -> Answers:
        return Answers(tuple(scores + len(questions) for scores in super().answer(questions).scores))


class Ordered(FakeSession):
    """Its scores depend on the place in the batch."""

    def answer(self, questions: Sequence[Question]) -> Answers:
        return Answers(tuple(scores + place for place, scores in enumerate(super().answer(questions).scores)))


class Seedless(FakeSession):
    """Ignores its seed."""

    def __init__(self, seed: int) -> None:
        super().__init__(0)


class Undecided(FakeSession):
    """Draws from a generator that nobody seeds."""

    def __init__(self, seed: int) -> None:
        super().__init__(random.SystemRandom().randrange(2**30))


class Idle(FakeSession):
    """Says that it trained."""

    def tune(self, train: Any, validation: Any, recipe: Recipe, on_progress: Any) -> TuneLog:
        return FakeSession(0).tune(train, validation, recipe, on_progress)


class Unrounded(FakeSession):
    """Trains adapters over plain weights where 4-bit ones are asked for."""

    def tune(self, train: Any, validation: Any, recipe: Recipe, on_progress: Any) -> TuneLog:
        return super().tune(train, validation, replace(recipe, trainable=AllWeights()), on_progress)


class Forgetful(FakeSession):
    """Saves an adaptation that was never trained."""

    def save(self, folder: Path) -> Artifact:
        return FakeSession(self.seed).save(folder)


class Pickling(FakeSession):
    def save(self, folder: Path) -> Artifact:
        found = super().save(folder)
        (folder / "more.bin").write_bytes(pickle.dumps(self.seed))
        return replace(found, bytes=sum(file.stat().st_size for file in folder.iterdir()))


class Free(FakeSession):
    """Never counts, and says 0."""

    def usage(self) -> Usage:
        return Usage(tokens=0)


class Caching(FakeSession):
    """Knows what it was asked before, and does not forget when told to."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.known: dict[Question, Any] = {}

    def answer(self, questions: Sequence[Question]) -> Answers:
        for question in questions:
            if question not in self.known:
                (self.known[question],) = super().answer([question]).scores
        return Answers(tuple(self.known[question] for question in questions))


class Crowded(FakeSession):
    """Cannot answer nothing."""

    def answer(self, questions: Sequence[Question]) -> Answers:
        first = len(questions[0].choices)
        assert first
        return super().answer(questions)


class Short(FakeSession):
    """A long text overflows it."""

    def answer(self, questions: Sequence[Question]) -> Answers:
        scores = super().answer(questions).scores
        long = [len(question.text) > 1_000 for question in questions]
        pairs = zip(long, scores, strict=True)
        return Answers(tuple(found * np.float32("nan") if cut else found for cut, found in pairs))


class Illiterate(FakeSession):
    """Ignores passages though it offers to read them."""

    def answer(self, questions: Sequence[Question]) -> Answers:
        return super().answer([replace(question, passages=(), reading=0.0) for question in questions])


def _opened(sort: type[FakeSession]) -> Any:
    class Backend(FakeBackend):
        def open(self, model: Any, *, seed: int, artifact: Path | None = None, **others: Any) -> FakeSession:
            session = sort(seed)
            if artifact is not None:
                known = super().open(model, seed=seed, artifact=artifact, **others)
                session.seed, session.learnt = known.seed, known.learnt
            return session

    return Backend


batched, ordered, seedless, undecided, idle, unrounded = map(
    _opened, (Batched, Ordered, Seedless, Undecided, Idle, Unrounded)
)
forgetful, pickling, free, caching, crowded, short, illiterate = map(
    _opened, (Forgetful, Pickling, Free, Caching, Crowded, Short, Illiterate)
)

# -- strategies --------------------------------------------------------------------------------------------


def gold_in_store() -> dict[str, int]:
    """Every right answer of the task, read from the store that the worker's own frames lead to."""
    frame = sys._getframe()
    while not hasattr(frame.f_locals.get("self"), "job"):
        assert frame.f_back is not None
        frame = frame.f_back
    cell = frame.f_locals["self"]
    sets = [read_parts(cell.root, found["parts"]) or [] for found in cell.job.sets.values()]
    return {row.question.id: row.gold for parts in sets for part in parts for row in decoded_rows(part)}


class Step:
    def apply(self, session: Any, material: Any, answer: Any, context: Any) -> Any:
        return material, lambda questions: self.answered(questions, answer)

    def answered(self, questions: Sequence[Question], answer: Any) -> Answers:
        return answer(questions)  # type: ignore[no-any-return]


class Peeks(Step):
    """Answers what the store says is right."""

    def answered(self, questions: Sequence[Question], answer: Any) -> Answers:
        gold = gold_in_store()
        pairs = [(len(question.choices), gold.get(question.id, 0)) for question in questions]
        return Answers(tuple(np.eye(width, dtype=np.float32)[right] for width, right in pairs))


class Counts(Step):
    """Answers by how many were asked before."""

    def answered(self, questions: Sequence[Question], answer: Any) -> Answers:
        counted = itertools.count()
        return Answers(tuple(scores + np.float32(next(counted)) for scores in answer(questions).scores))


class Gambles(Step):
    """Draws from a generator that nobody seeds."""

    def answered(self, questions: Sequence[Question], answer: Any) -> Answers:
        return Answers(tuple(np.random.default_rng().random(len(q.choices)).astype(np.float32) for q in questions))


class Hoards(Step):
    """Learns, and has forgotten it when its adaptation is opened again."""

    def apply(self, session: Any, material: Any, answer: Any, context: Any) -> Any:
        bonus = np.float32(0 if context.kept is not None else len(material.train))

        def answered(questions: Sequence[Question]) -> Answers:
            place = np.arange(4, dtype=np.float32)
            return Answers(tuple(scores + bonus * place[: len(scores)] for scores in answer(questions).scores))

        return material, answered


class Nothing(Step):
    """Gives context where there are documents; does not say that it needs them."""


class Deaf:
    """Answers past whatever the steps before it attach."""

    def apply(self, session: Any, material: Any, answer: Any, context: Any) -> Any:
        plain = session.answer
        return material, lambda questions: plain([replace(q, passages=(), reading=0.0) for q in questions])


class Needy(Step):
    """Fails without training questions; does not say that it needs them."""

    def apply(self, session: Any, material: Any, answer: Any, context: Any) -> Any:
        first: Example | None = next(iter(material.train), None)
        if first is None:
            raise PluginError("nothing to learn from")
        return material, answer
