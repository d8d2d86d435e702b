"""An embedding model of Vertex AI."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from google.genai.models import AsyncModels
from google.genai.types import EmbedContentResponse

from harness.remote.faults import Doubtful, Redact
from harness.remote.purse import Billed
from harness_vertex.faults import faults

TASK = "CLASSIFICATION"
"""What vectors are made for here: features, by which texts are told apart."""
SEVERAL = 16
"""Of 2,048 tokens at most each, where one request may hold 20,000; texts here are shorter."""


class VertexVectors:
    def __init__(self, models: AsyncModels, model: str, redact: Redact) -> None:
        self._models, self._model, self._redact = models, model, redact
        self.batch = 1 if _by_content(model) else SEVERAL

    def body(self, texts: Sequence[str]) -> Mapping[str, Any]:
        return {"model": self._model, "contents": list(texts), "config": {"task_type": TASK}}

    async def send(self, body: Mapping[str, Any]) -> tuple[np.ndarray, str | None, Billed]:
        with faults(self._redact, errors_are_sure=True):
            found = await self._models.embed_content(**body)
            rows = [each.values for each in found.embeddings or ()]
            if not rows or any(not row for row in rows):
                raise Doubtful("an answer that cannot be read: not one vector for each text")
            return np.array(rows, dtype=np.float32), None, _charged(found)


def _by_content(model: str) -> bool:
    """Whether the SDK asks by `embedContent`, one text at a time, and not by `predict`."""
    return "gemini" in model or "maas" in model


def _charged(found: EmbedContentResponse) -> dict[str, int]:
    if found.usage_metadata and found.usage_metadata.prompt_token_count is not None:
        return {"embedding tokens": found.usage_metadata.prompt_token_count}
    counted = [each.statistics.token_count if each.statistics else None for each in found.embeddings or ()]
    if None in counted:
        return {}
    return {"embedding tokens": round(sum(count or 0 for count in counted))}
