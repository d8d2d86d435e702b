"""An embedding model of OpenAI's API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from harness.remote.purse import Billed
from harness.remote.redaction import Redactor
from harness_openai.faults import faults


class OpenAIVectors:
    batch = 64

    def __init__(self, client: AsyncOpenAI, model: str, redact: Redactor) -> None:
        self._client, self._model, self._redact = client, model, redact

    def body(self, texts: Sequence[str]) -> Mapping[str, Any]:
        return {"model": self._model, "input": list(texts), "encoding_format": "float"}

    async def send(self, body: Mapping[str, Any]) -> tuple[np.ndarray, str | None, Billed]:
        with faults(self._redact, errors_are_sure=True):
            found = await self._client.embeddings.create(**body)
            rows = sorted(found.data, key=lambda row: row.index)
            array = np.array([row.embedding for row in rows], dtype=np.float32)
            return array, found.model, {"embedding tokens": found.usage.prompt_tokens} if found.usage else {}
