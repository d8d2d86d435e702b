"""Texts to an embedding model: in batches, each paid for once."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from harness.keys import digest
from harness.remote.counts import Counts
from harness.remote.faults import Doubtful
from harness.remote.paying import CONCURRENCY, LEAST_CHARS_PER_TOKEN, Sent, each, paid
from harness.remote.purse import Billed, Purse

KEPT = 50_000
"""Vectors that are held; what is asked for again beyond them is read from the purse."""


class Vectors(Protocol):
    """An embedding model, as the SDK of its service asks it."""

    batch: int
    """The most texts of one request."""

    def body(self, texts: Sequence[str]) -> Mapping[str, Any]:
        """What is sent, as JSON; a call is known by it."""
        ...

    async def send(self, body: Mapping[str, Any]) -> tuple[np.ndarray, str | None, Billed]:
        """Float32 [texts, d], in their order, who made them, and what is charged (empty where nothing is told).

        One request and never a second; raises `Refused` or `Doubtful`.
        """
        ...


class Embedder:
    def __init__(self, model: Vectors, purse: Purse, counts: Counts) -> None:
        self._model, self._purse, self._counts = model, purse, counts
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
        at_most = self._model.batch
        batches = [missing[start : start + at_most] for start in range(0, len(missing), at_most)]
        for fresh, batch in zip(await each(batches, self._batch), batches, strict=True):
            sent -= set() if fresh else set(batch)
        at_once = min(CONCURRENCY, max(1, len(batches)))
        for text in wanted:
            _, billed, seconds = self._known[text]
            self._counts.take(text, billed, None if text in sent else seconds / at_once)
        return np.stack([self._known[text][0] for text in texts])

    async def _batch(self, texts: list[str]) -> bool:
        """Whether it was sent now."""
        body = self._model.body(texts)
        dearest = {"embedding tokens": sum(len(text.encode()) for text in texts) // LEAST_CHARS_PER_TOKEN + len(texts)}

        async def send() -> Sent:
            rows, model, billed = await self._model.send(body)
            array = np.asarray(rows, dtype=np.float32)
            if array.ndim != 2 or len(array) != len(texts) or not np.isfinite(array).all():
                raise Doubtful("an answer that cannot be read: not one vector for each text")
            return {"vectors": base64.b64encode(array.tobytes()).decode(), "model": model}, billed

        line, sent = await paid(self._purse, digest(body), dearest, send)
        if line["answer"]["model"]:
            self.models[line["answer"]["model"]] = None
        array = np.frombuffer(base64.b64decode(line["answer"]["vectors"]), dtype=np.float32).reshape(len(texts), -1)
        lengths = np.linalg.norm(array, axis=1, keepdims=True)
        array = np.divide(array, lengths, out=np.zeros_like(array), where=lengths > 0)
        share = {sort: count / len(texts) for sort, count in line["billed"].items()}
        self._known.update({text: (row, share, line["s"] / len(texts)) for text, row in zip(texts, array, strict=True)})
        return sent
