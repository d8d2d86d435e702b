"""Opens a model, or a kept adaptation of it, with the session that fits its family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from harness.models import located
from harness.plugin import Kind, ModelCard
from harness_torch import device
from harness_torch.causal import CausalScorer
from harness_torch.encoder import EncoderScorer
from harness_torch.sentence import SentenceScorer, SentenceSession
from harness_torch.session import TorchSession


class TorchBackend:
    def open(
        self, model: ModelCard, *, kind: Kind, labels: Sequence[str], seed: int, artifact: Path | None = None
    ) -> TorchSession:
        torch.manual_seed(seed)
        where, on = located(model), device.pick()
        if model.family == "sentence-encoder":
            session: TorchSession = SentenceSession(
                SentenceScorer.open(where, kind, model.pooling or "mean", on), model, on
            )
        elif model.family == "causal":
            session = TorchSession(CausalScorer.open(where, kind), model, on)
        else:
            session = TorchSession(EncoderScorer.open(where, kind, len(labels), seed, on), model, on)
        if artifact is not None:
            session.reopen(artifact)
        return session


def load() -> TorchBackend:
    return TorchBackend()
