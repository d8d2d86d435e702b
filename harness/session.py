"""What the sessions of all local frameworks do alike: cutting, order, caching, a tuning's rounds, files, counts."""

from __future__ import annotations

import contextlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import ModelError
from harness.flops import forward
from harness.items import Ids, SentenceItem, similarity_scores
from harness.keys import file_hash
from harness.prompts import MAX_TOKENS, within
from harness.training import Steps, judged, rounds
from harness.types import Answers, Artifact, Epoch, Example, Kind, ModelCard, Question, Recipe, TuneLog, Usage

ADAPTATION_FILE, WEIGHTS_FILE = "adaptation.json", "model.safetensors"
ANSWER_ROWS = 32
ANSWER_CHUNK = 1_000
CACHED_TEXTS = 50_000


class Counter:
    """Tokens, FLOPs and layers of what is read; `passes` is 1 for answering, 2 or 3 for training (see `flops`)."""

    def __init__(self, card: ModelCard) -> None:
        self._card = card
        self.passes = 1
        self.tokens, self.flops, self.layers = 0, 0.0, 0

    def count(self, lengths: Sequence[int], batches: int = 1) -> None:
        """Texts of these lengths were read, in so many batches."""
        self.tokens += sum(lengths)
        self.flops += self.passes * forward(self._card, lengths)
        self.layers += self.passes * batches * (self._card.layers or 0)

    def taken(self) -> Usage:
        """What was counted since the last call."""
        found = Usage(tokens=self.tokens, flops=self.flops, layers=self.layers)
        self.tokens, self.flops, self.layers = 0, 0.0, 0
        return found


class LocalSession(ABC):
    """`contracts.Session` but for the framework: what needs one is left to the abstract methods.

    `scorer` scores the choices of one family of models. It has `max_tokens`, where texts are cut; `begin(question,
    counter)`, which adds what answering such questions needs; `room(question)` and `size(text)`, in tokens;
    `prepare(questions)`, items with a `length`; `logits(items, counter)`, [n, most choices] and -inf beyond a row's
    own; `embeddings(texts, counter)`, unit-length float32 [n, d]; and `likelihoods(texts, counter)` if it is causal.
    """

    def __init__(self, scorer: Any, card: ModelCard) -> None:
        self.scorer, self.card = scorer, card
        self.counter = Counter(card)
        self._cut_at(MAX_TOKENS)

    @abstractmethod
    def begin_tuning(self, items: Sequence[Any], targets: Sequence[int], recipe: Recipe) -> Steps:
        """Put in what the recipe trains; the steps' `finish` takes it out."""

    @abstractmethod
    def numpy(self, found: Any) -> np.ndarray:
        """The framework's tensor as an array."""

    @abstractmethod
    def write_weights(self, file: Path) -> None:
        """As safetensors."""

    @abstractmethod
    def read_weights(self, file: Path) -> None:
        """Invert `write_weights`; OSError or ValueError for what is none."""

    def inference(self) -> contextlib.AbstractContextManager[Any]:
        """Around whatever needs no gradients."""
        return contextlib.nullcontext()

    def as_trained(self) -> contextlib.AbstractContextManager[Any]:
        """Around what is read in the precision that training steps compute in, where that is not fp32."""
        return contextlib.nullcontext()

    def _cut_at(self, tokens: int) -> None:
        """Where texts are cut, as far as the model can read."""
        self.scorer.max_tokens = min(tokens, self.card.positions or tokens)

    def answer(self, questions: Sequence[Question]) -> Answers:
        if not questions:
            return Answers(())
        questions = self._readable(questions)
        items = self.scorer.prepare(questions)
        order = sorted(range(len(items)), key=lambda row: items[row].length)
        scores: list[np.ndarray] = [np.empty(0, np.float32)] * len(items)
        with self.inference():
            for start in range(0, len(order), ANSWER_ROWS):
                rows = order[start : start + ANSWER_ROWS]
                batch = self.numpy(self.scorer.logits([items[row] for row in rows], self.counter))
                for row, found in zip(rows, batch, strict=True):
                    scores[row] = found[: len(questions[row].choices)]
        return Answers(tuple(scores), passages_of(questions))

    def _readable(self, questions: Sequence[Question]) -> list[Question]:
        """Without the passages that would be cut whole: they count as read nowhere."""
        lengths: dict[str, int] = {}

        def tokens(text: str) -> int:
            if text not in lengths:
                lengths[text] = self.scorer.size(text)
            return lengths[text]

        return [
            within(question, self.scorer.room(question), tokens) if question.passages else question
            for question in questions
        ]

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.empty((0, self.card.hidden or 0), np.float32)
        with self.inference():
            return self.numpy(self.scorer.embeddings(texts, self.counter))

    def score(self, texts: Sequence[str]) -> np.ndarray:
        if not texts:
            return np.empty(0, np.float32)
        with self.inference():
            return self.numpy(self.scorer.likelihoods(texts, self.counter))

    def tune(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        recipe: Recipe,
        on_progress: Callable[[Epoch], None],
    ) -> TuneLog:
        self._cut_at(recipe.max_tokens)
        self.forget()
        self.scorer.begin(train[0].question, self.counter)
        items = self.scorer.prepare([example.question for example in train])
        steps = self.begin_tuning(items, [example.target for example in train], recipe)
        lengths = [item.length for item in items]

        def validate() -> tuple[float | None, float | None]:
            self.counter.passes = 1
            with self.as_trained():
                found = self._validate(validation)
            self.counter.passes = steps.passes
            return found

        self.counter.passes = steps.passes
        log = rounds(lengths, recipe, steps, validate, on_progress)
        self.counter.passes = 1
        steps.finish()
        self.forget()
        return log

    def _validate(self, validation: Sequence[Example]) -> tuple[float | None, float | None]:
        """Loss in nats and accuracy; None without rows."""
        self.forget()
        if not validation:
            return None, None
        answers = self.answer([example.question for example in validation])
        accuracy, loss = judged(answers, [example.target for example in validation])
        return loss, accuracy

    def forget(self) -> None:  # noqa: B027
        """Drop whatever was computed before, with these weights or others."""

    def save(self, folder: Path) -> Artifact:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / WEIGHTS_FILE
        self.write_weights(file)
        told = {"format": "harness.adaptation/1", "base": self.card.revision, "max_tokens": self.scorer.max_tokens}
        (folder / ADAPTATION_FILE).write_text(json.dumps(told), encoding="utf-8")
        return Artifact(str(folder), file_hash(file), sum(part.stat().st_size for part in folder.iterdir()))

    def reopen(self, folder: Path) -> None:
        """Take over what `save` wrote; raises `ModelError` for what is none, or of another model."""
        try:
            told = json.loads((folder / ADAPTATION_FILE).read_text(encoding="utf-8"))
            if told["base"] == self.card.revision:
                self.read_weights(folder / WEIGHTS_FILE)
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder} is no kept adaptation: {error}") from None
        if told["base"] != self.card.revision:
            raise ModelError(f"{folder} was trained from {told['base'][:12]}, not from {self.card.revision[:12]}")
        self._cut_at(told["max_tokens"])
        self.forget()

    def peak_device_bytes(self) -> int | None:
        """Since the last call; None where there is no device memory of its own."""
        return None

    def usage(self) -> Usage:
        return replace(self.counter.taken(), peak_device_bytes=self.peak_device_bytes())

    def close(self) -> None:  # noqa: B027
        """The process ends with its cell."""


class CachedSentences(LocalSession):
    """A sentence encoder's answers from a cache of vectors: choices and passages repeat, and λ and k are tried often.

    The scorer also has its `kind` and `vectors(ids, counter)`: unit-length rows for token sequences.
    """

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._cache: dict[Ids, np.ndarray] = {}

    def forget(self) -> None:
        self._cache.clear()

    def answer(self, questions: Sequence[Question]) -> Answers:
        if not questions:
            return Answers(())
        self.scorer.begin(questions[0], self.counter)
        if self.scorer.kind is Kind.CLASSIFICATION:
            return super().answer(questions)
        questions = [question if question.reading > 0 else replace(question, passages=()) for question in questions]
        scores: list[np.ndarray] = []
        for start in range(0, len(questions), ANSWER_CHUNK):
            scores += self._scores(self.scorer.prepare(questions[start : start + ANSWER_CHUNK]))
        return Answers(tuple(scores), passages_of(questions))

    def _scores(self, items: Sequence[SentenceItem]) -> list[np.ndarray]:
        wanted = {ids for item in items for ids in item.texts}
        missing = sorted(wanted - self._cache.keys())
        if len(self._cache) + len(missing) > CACHED_TEXTS:
            self._cache.clear()
            missing = sorted(wanted)
        if missing:
            with self.inference():
                found = self.numpy(self.scorer.vectors(missing, self.counter))
            self._cache.update(zip(missing, found, strict=True))
        return [similarity_scores(item, self._cache) for item in items]


def passages_of(questions: Sequence[Question]) -> tuple[tuple[str, ...], ...]:
    """Ids of the documents that each question carried, best first; empty if none carried any."""
    read = tuple(tuple(p.document_id for p in question.passages if p.document_id) for question in questions)
    return read if any(read) else ()
