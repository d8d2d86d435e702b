"""Opens a model, or a kept adaptation of it, with the session that fits its family."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from harness.models import located
from harness.plugin import Kind, ModelCard, ModelError
from harness_torch import device
from harness_torch.causal import CausalScorer
from harness_torch.encoder import EncoderScorer
from harness_torch.sentence import SentenceScorer, SentenceSession
from harness_torch.session import ADAPTATION_FILE, TorchSession


class TorchBackend:
    def open(
        self, model: ModelCard, *, kind: Kind, labels: Sequence[str], seed: int, artifact: Path | None = None
    ) -> TorchSession:
        torch.manual_seed(seed)
        where, on = located(model), device.pick()
        if model.family == "sentence-encoder":
            session: TorchSession = SentenceSession(
                SentenceScorer.open(where, kind, model.pooling or "mean"), model, on
            )
        elif model.family == "causal":
            session = TorchSession(CausalScorer.open(where, kind), model, on)
        else:
            session = TorchSession(EncoderScorer.open(where, kind, len(labels)), model, on)
        if artifact is not None:
            _restore(session, artifact)
        return session


def _restore(session: TorchSession, folder: Path) -> None:
    try:
        told = json.loads((folder / ADAPTATION_FILE).read_text(encoding="utf-8"))
        weights = load_file(folder / "model.safetensors")
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} is no kept adaptation: {error}") from None
    if told["base"] != session.card.revision:
        raise ModelError(f"{folder} was trained from {told['base'][:12]}, not from {session.card.revision[:12]}")
    session.restore(weights, told["max_tokens"])


def load() -> TorchBackend:
    return TorchBackend()
