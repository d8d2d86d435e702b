"""Opening, training and comparing sessions: what the tests of a backend are made of."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from harness.contracts import BackendSpec, Remembers
from harness.later import resolve
from harness.remote.purse import Purse
from harness.testing.material import LABELS, examples, questions
from harness.types import AllWeights, Answers, Kind, Lora, Question, Recipe


class Sessions:
    """What a backend's tests may be told, and what they use."""

    spec: ClassVar[BackendSpec]
    seeded: ClassVar[bool] = True
    """False for a backend in which nothing is drawn at random."""
    tolerance: ClassVar[float] = 1e-4
    """Scores that differ by less, and by a tenth of that share of them, are the same but for rounding."""
    epochs: ClassVar[int] = 6
    rates: ClassVar[dict[str, float]] = dict.fromkeys(("input tokens", "output tokens", "embedding tokens"), 1.0)
    """What a service is taken to charge for a million tokens."""
    run_options: ClassVar[dict[str, Any]] = {}
    """What a run with it must be told, such as prices and that it may spend."""
    learning_rates: ClassVar[dict[str, float]] = {"full": 1e-4, "lora": 2e-3}
    """Large enough to learn 16 short questions in that many epochs."""

    @pytest.fixture
    def model(self) -> str:
        assert self.spec.default_model is not None, "override `model`: the backend has no default"
        return self.spec.default_model

    def recipe(self, way: str, seed: int = 0, batch_size: int = 4) -> Recipe:
        """How it is trained here; override what does not fit."""
        return Recipe(
            trainable=AllWeights() if way == "full" else Lora(4, 8.0),
            epochs=self.epochs,
            lr=self.learning_rates[way],
            batch_size=batch_size,
            warmup=0.1,
            weight_decay=0.0,
            patience=self.epochs,
            max_tokens=64,
            seed=seed,
        )

    def _offered(self, model: str) -> frozenset[str]:
        return self.spec.offers(self.spec.describe(model))

    def _need(self, model: str, capability: str) -> None:
        if capability not in self._offered(model):
            pytest.skip(f"{self.spec.name} does not offer {capability} for {model}")

    def opened(self, model: str, kind: Kind, seed: int = 0, artifact: Path | None = None) -> Any:
        labels = LABELS if kind is Kind.CLASSIFICATION else ()
        card = self.spec.describe(model)
        more: dict[str, Any] = {}
        if self.spec.service is not None:
            more["purse"] = Purse(Path(tempfile.mkdtemp(), "kit.jsonl"), self.rates, 1.0)
        return resolve(self.spec.load)().open(card, kind=kind, labels=labels, seed=seed, artifact=artifact, **more)

    def _tuned(self, model: str, kind: Kind, way: str, seed: int = 0, batch_size: int = 4) -> Any:
        session = self.opened(model, kind, seed)
        session.tune(examples(kind), examples(kind)[:4], self.recipe(way, seed, batch_size), lambda epoch: None)
        return session

    def _answering(self, model: str, kind: Kind) -> Any:
        """A session that can answer: tuned, where the model has to be first."""
        offered = self._offered(model)
        if f"answer:{kind}" in offered:
            return self.opened(model, kind)
        self._need(model, f"tune:full:{kind}")
        return self._tuned(model, kind, "full")

    def _answers(self, session: Any, kind: Kind) -> Answers:
        self._forget(session)
        found: Answers = session.answer(questions(kind))
        return found

    def _forget(self, session: Any) -> None:
        if isinstance(session, Remembers):
            session.forget()

    def _sound(self, asked: Sequence[Question], answers: Answers) -> None:
        assert len(answers.scores) == len(asked), f"{len(answers.scores)} answers to {len(asked)} questions"
        for question, scores in zip(asked, answers.scores, strict=True):
            assert scores.shape == (len(question.choices),), f"{question.id}: not one score for each choice"
            assert scores.dtype == np.float32, f"{question.id}: scores are {scores.dtype}, not float32"
            assert np.isfinite(scores).all(), f"{question.id}: a score is not finite"

    def _same(self, first: Answers, second: Answers, otherwise: str) -> None:
        pairs = zip(first.scores, second.scores, strict=True)
        close = [np.allclose(a, b, self.tolerance / 10, self.tolerance) for a, b in pairs]
        assert all(close), f"{otherwise}: {close.count(False)} of {len(close)}"

    def _differ(self, first: Answers, second: Answers, otherwise: str) -> None:
        """By more than rounding, somewhere: large scores may hide a small difference that was meant."""
        pairs = zip(first.scores, second.scores, strict=True)
        assert max(float(np.abs(a - b).max()) for a, b in pairs) > self.tolerance, otherwise


def may_run_code(file: Path) -> bool:
    head = file.read_bytes()[:8]
    if head[:1] == b"\x80" and head[1:2] in {b"\x02", b"\x03", b"\x04", b"\x05"}:
        return True
    if head == b"\x89HDF\r\n\x1a\n":
        return True
    return zipfile.is_zipfile(file) and any(name.endswith(".pkl") for name in zipfile.ZipFile(file).namelist())
