"""Opens a model of Hugging Face's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.plugin import Kind, ModelCard
from harness.remote.purse import Purse
from harness.remote.session import ServiceSession
from harness_huggingface.capabilities import endpoint
from harness_huggingface.client import HuggingFaceClient


class HuggingFaceBackend:
    def open(
        self,
        model: ModelCard,
        *,
        kind: Kind,
        labels: Sequence[str],
        seed: int,
        artifact: Path | None = None,
        purse: Purse,
    ) -> ServiceSession:
        where = endpoint()
        session = ServiceSession(model, where, purse, HuggingFaceClient(where))
        if artifact is not None:
            session.reopen(artifact)
        return session


def load() -> HuggingFaceBackend:
    return HuggingFaceBackend()
