"""Texts to an embedding model: in batches, each paid for once."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from harness.keys import digest
from harness.remote.purse import Purse
from harness.remote.redaction import Redactor
from harness_openai.chat import LEAST_CHARS_PER_TOKEN
from harness_openai.client import CONCURRENCY, each, paid
from harness_openai.counts import Counts

BATCH = 64
KEPT = 50_000
"""Vectors that are held; what is asked for again beyond them is read from the purse."""


class Embedder:
    def __init__(self, client: AsyncOpenAI, model: str, purse: Purse, redact: Redactor, counts: Counts) -> None:
        self._client, self._model, self._purse, self._redact, self._counts = client, model, purse, redact, counts
        self._known: dict[str, tuple[np.ndarray, Mapping[str, float], float]] = {}
        """Text -> unit vector, and its shares of the tokens and seconds of its batch."""
        self.models: dict[str, None] = {}

    async def vectors(self, texts: Sequence[str]) -> np.ndarray:
        """Unit-length float32 [n, d]."""
        wanted = list(dict.fromkeys(texts))
        if len(self._known) + len(wanted) > KEPT:
            self._known.clear()
        missing = sorted(text for text in wanted if text not in self._known)
        sent = set(missing)
        batches = [missing[start : start + BATCH] for start in range(0, len(missing), BATCH)]
        for fresh, batch in zip(await each(batches, self._batch), batches, strict=True):
            sent -= set() if fresh else set(batch)
        at_once = min(CONCURRENCY, max(1, len(batches)))
        for text in wanted:
            _, billed, seconds = self._known[text]
            self._counts.take(text, billed, None if text in sent else seconds / at_once)
        return np.stack([self._known[text][0] for text in texts])

    async def _batch(self, texts: list[str]) -> bool:
        """Whether it was sent now."""
        body: dict[str, Any] = {"model": self._model, "input": texts, "encoding_format": "float"}
        dearest = {"embedding tokens": sum(len(text.encode()) for text in texts) // LEAST_CHARS_PER_TOKEN + len(texts)}

        async def send() -> tuple[Any, Mapping[str, int]]:
            found = await self._client.embeddings.create(**body)
            rows = sorted(found.data, key=lambda row: row.index)
            array = np.array([row.embedding for row in rows], dtype=np.float32)
            if array.ndim != 2 or len(array) != len(texts) or not np.isfinite(array).all():
                raise ValueError("not one vector for each text")
            kept = {"vectors": base64.b64encode(array.tobytes()).decode(), "model": found.model}
            return kept, {"embedding tokens": found.usage.prompt_tokens} if found.usage else dearest

        line, sent = await paid(self._purse, digest(body), dearest, send, self._redact)
        self.models[line["answer"]["model"]] = None
        array = np.frombuffer(base64.b64decode(line["answer"]["vectors"]), dtype=np.float32).reshape(len(texts), -1)
        lengths = np.linalg.norm(array, axis=1, keepdims=True)
        array = np.divide(array, lengths, out=np.zeros_like(array), where=lengths > 0)
        share = {sort: count / len(texts) for sort, count in line["billed"].items()}
        self._known.update({text: (row, share, line["s"] / len(texts)) for text, row in zip(texts, array, strict=True)})
        return sent
