"""Makes the asset `retrieved`: embeds the passages once, and finds the nearest ones of every question."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pyarrow as pa
from sentence_transformers import SentenceTransformer

from harness.flops import forward
from harness.models import describe, located
from harness.plugin import AssetInput, ModelError, Usage
from harness_rag.index import build, kind_for
from harness_rag.passages import split, titled
from harness_rag.retrieved import HITS, META, PASSAGES, Span

KEPT = 10
"""Passages kept per question: the most that any k can ask for."""
CHUNK = 10_000
TIMED_QUESTIONS = 20
Phase = Callable[[str, Callable[[], Usage]], AbstractContextManager[None]]

_HITS = pa.schema([("question", pa.string()), ("passages", pa.list_(pa.int32())), ("scores", pa.list_(pa.float32()))])
_PASSAGES = pa.schema([("document", pa.int32()), ("start", pa.int32()), ("end", pa.int32())])


def make(folder: Path, given: AssetInput, settings: Mapping[str, Any], phase: Phase) -> None:
    """Embed the documents and index them (charged as adapting), then search for every question (as answering)."""
    encoder = Encoder(settings["encoder"])
    with phase("index", encoder.usage):
        spans = list(split(given.documents))
        texts = [titled(given.documents[span.document], span) for span in spans]
        index = build(_embedded(encoder, texts), len(texts), encoder.card.hidden)
        _write_spans(folder / PASSAGES, spans)
    with phase("retrieve", encoder.usage):
        began = time.perf_counter()
        with pa.OSFile(str(folder / HITS), "wb") as sink, pa.ipc.new_file(sink, _HITS) as writer:
            for start in range(0, len(given.texts), CHUNK):
                writer.write_table(_search(encoder, index, given.texts[start : start + CHUNK]))
        seconds = time.perf_counter() - began
    with phase("latency", encoder.usage):
        latencies = _latencies(encoder, index, given.texts[: TIMED_QUESTIONS + 1])
    meta = {
        "encoder": encoder.card.id,
        "revision": encoder.card.revision,
        "index": kind_for(len(texts)),
        "passages": len(texts),
        "s_per_question": seconds / len(given.texts),
        "latency_s": latencies,
    }
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")


class Encoder:
    """A frozen sentence encoder that counts what it reads."""

    def __init__(self, model: str) -> None:
        self.card = describe(model)
        if self.card.family != "sentence-encoder":
            raise ModelError(f"rag.encoder={self.card.id!r} is no sentence encoder (it has no modules.json)")
        self._model = SentenceTransformer(str(located(self.card)))
        self._tokens, self._flops = 0, 0.0

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 [n, d]."""
        most = self._model.max_seq_length or sys.maxsize
        lengths = [min(len(ids), most) for ids in self._model.tokenizer(list(texts))["input_ids"]]
        self._tokens += sum(lengths)
        self._flops += forward(self.card, lengths)
        found = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False, batch_size=32)
        return np.asarray(found, dtype=np.float32)

    def usage(self) -> Usage:
        """Tokens and FLOPs since the last call."""
        used = Usage(tokens=self._tokens, flops=self._flops)
        self._tokens, self._flops = 0, 0.0
        return used


def _embedded(encoder: Encoder, texts: Sequence[str]) -> Iterator[np.ndarray]:
    for start in range(0, len(texts), CHUNK):
        yield encoder(texts[start : start + CHUNK])


def _search(encoder: Encoder, index: faiss.Index, texts: Sequence[str]) -> pa.Table:
    scores, numbers = index.search(encoder(texts), min(KEPT, index.ntotal))
    found = numbers >= 0
    return pa.Table.from_pydict(
        {
            "question": list(texts),
            "passages": [row[kept] for row, kept in zip(numbers, found, strict=True)],
            "scores": [row[kept] for row, kept in zip(scores, found, strict=True)],
        },
        schema=_HITS,
    )


def _latencies(encoder: Encoder, index: faiss.Index, texts: Sequence[str]) -> list[float]:
    """Seconds to embed one question and search for it, one at a time, after one that warms up."""
    seconds = []
    for text in texts:
        began = time.perf_counter()
        _search(encoder, index, [text])
        seconds.append(time.perf_counter() - began)
    return seconds[1:] or seconds


def _write_spans(file: Path, spans: Sequence[Span]) -> None:
    columns = {name: [getattr(span, name) for span in spans] for name in _PASSAGES.names}
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _PASSAGES) as writer:
        writer.write_table(pa.Table.from_pydict(columns, schema=_PASSAGES))
