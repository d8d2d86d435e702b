"""A backend that answers by word overlap and learns by remembering: no model, no framework."""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.plugin import Backend, BackendSpec, PluginError, hookimpl
from harness.types import (
    AllWeights,
    Answers,
    Artifact,
    Epoch,
    Example,
    Kind,
    Lora,
    ModelCard,
    Question,
    Recipe,
    TuneLog,
    Usage,
)

if TYPE_CHECKING:
    from harness.contracts import Vectors

DIMENSIONS = 64
ARTIFACT_FILE = "weights.json"


def _words(text: str) -> list[str]:
    return text.lower().replace("?", " ").replace(",", " ").split()


@dataclass
class FakeSession:
    """Scores a choice by the words it shares with the passages and by what training associated with it."""

    seed: int
    learnt: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    tokens: int = 0

    def answer(self, questions: Sequence[Question]) -> Answers:
        scores = []
        for question in questions:
            words = _words(question.text)
            read = {word for passage in question.passages for word in _words(passage.text)}
            self.tokens += len(words) + len(read)
            scores.append(
                np.array(
                    [self._score(words, read, choice, question.reading) for choice in question.choices],
                    dtype=np.float32,
                )
            )
        read_ids = tuple(tuple(p.document_id for p in question.passages if p.document_id) for question in questions)
        return Answers(tuple(scores), read_ids)

    def _score(self, words: Sequence[str], read: set[str], choice: str, reading: float) -> float:
        known = sum(self.learnt[choice][word] for word in words)
        noise = int.from_bytes(hashlib.sha256(f"{self.seed} {choice}".encode()).digest()[:4], "big") / 2**32
        return (1 - reading) * known + reading * 10 * sum(word in read for word in _words(choice)) + noise / 100

    def embed(self, texts: Sequence[str]) -> Vectors:
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in _words(text):
                vectors[row, int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big") % DIMENSIONS] += 1
            self.tokens += len(_words(text))
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        np.divide(vectors, lengths, out=vectors, where=lengths > 0)
        return vectors

    def score(self, texts: Sequence[str]) -> Vectors:
        return np.array([-float(len(_words(text))) for text in texts], dtype=np.float32)

    def tune(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        recipe: Recipe,
        on_progress: Callable[[Epoch], None],
    ) -> TuneLog:
        if isinstance(recipe.trainable, Lora) and recipe.trainable.four_bit:
            raise PluginError("words have no weights to hold in 4 bits")
        epochs = []
        for number in range(1, recipe.epochs + 1):
            for example in train:
                words = [word for word in _words(example.question.text) if len(word) > 3]
                self.learnt[example.question.choices[example.target]].update(words)
                self.tokens += len(words)
            right = self.answer([example.question for example in validation]).chosen
            wanted = [example.target for example in validation]
            share = sum(a == b for a, b in zip(right, wanted, strict=True)) / len(wanted) if wanted else None
            epochs.append(Epoch(number, 1.0 / number, None if share is None else 1.0 - share, share))
            on_progress(epochs[-1])
        everything = sum(len(counts) for counts in self.learnt.values())
        return TuneLog(
            tuple(epochs),
            recipe.epochs,
            everything if isinstance(recipe.trainable, AllWeights) else recipe.trainable.rank,
            recipe.epochs * len(train),
        )

    def save(self, folder: Path) -> Artifact:
        folder.mkdir(parents=True, exist_ok=True)
        learnt = {choice: dict(counts) for choice, counts in self.learnt.items()}
        content = json.dumps({"seed": self.seed, "learnt": learnt}, sort_keys=True).encode()
        (folder / ARTIFACT_FILE).write_bytes(content)
        return Artifact(str(folder), hashlib.sha256(content).hexdigest(), len(content))

    def usage(self) -> Usage:
        used = Usage(tokens=self.tokens, flops=float(self.tokens))
        self.tokens = 0
        return used

    def close(self) -> None:
        """Nothing is held."""


class FakeBackend:
    """Opens `FakeSession`s."""

    def open(
        self, model: ModelCard, *, kind: Kind, labels: Sequence[str], seed: int, artifact: Path | None = None
    ) -> FakeSession:
        session = FakeSession(seed)
        if artifact is not None:
            told = json.loads((artifact / ARTIFACT_FILE).read_text())
            session.seed = told["seed"]
            session.learnt.update({choice: Counter(counts) for choice, counts in told["learnt"].items()})
        return session


def fake_backend() -> Backend:
    return FakeBackend()


def fake_card(model: str) -> ModelCard:
    return ModelCard(model, "sentence-encoder", "0" * 64, "nowhere", 1_000, DIMENSIONS, 1, 500)


FAKE_CAPABILITIES = frozenset(
    {"embed", "score"} | {f"{verb}:{kind}" for verb in ("answer", "read", "tune:full", "tune:lora") for kind in Kind}
)


def fake_spec(name: str = "fake", **changes: Any) -> BackendSpec:
    """A backend spec around `FakeBackend`; `changes` override its fields."""
    fields: dict[str, Any] = {
        "name": name,
        "summary": "word overlap, for tests",
        "describe": fake_card,
        "offers": lambda card: FAKE_CAPABILITIES,
        "load": "harness.testing.fake:fake_backend",
        "default_model": "words",
    }
    return BackendSpec(**{**fields, **changes})


class FakePlugin:
    """A plugin that offers the fake backend, to pass to `load_registry`."""

    def __init__(self, *specs: BackendSpec) -> None:
        self.specs = specs or (fake_spec(),)

    @hookimpl
    def harness_backends(self) -> Iterable[BackendSpec]:
        return self.specs
