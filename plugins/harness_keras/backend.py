"""Opens a model, or a kept adaptation of it, with the session that fits its family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.models import located
from harness.plugin import Kind, ModelCard, ModelError
from harness_keras.capabilities import refusal
from harness_keras.causal import CausalScorer
from harness_keras.encoder import EncoderScorer
from harness_keras.sentence import SentenceScorer, SentenceSession
from harness_keras.session import KerasSession


class KerasBackend:
    def open(
        self, model: ModelCard, *, kind: Kind, labels: Sequence[str], seed: int, artifact: Path | None = None
    ) -> KerasSession:
        if why := refusal(model):
            raise ModelError(f"{model.id}: {why}")
        where = located(model)
        if model.family == "sentence-encoder":
            session: KerasSession = SentenceSession(SentenceScorer.open(where, kind, model.pooling or "mean"), model)
        elif model.family == "causal":
            session = KerasSession(CausalScorer.open(where, model.positions), model)
        else:
            session = KerasSession(EncoderScorer.open(where, kind, len(labels), seed), model)
        if artifact is not None:
            session.reopen(artifact)
        return session


def load() -> KerasBackend:
    return KerasBackend()
