"""Makes the assets `retrieved` (passages for every question) and `neighbours` (training questions nearest to it)."""

from __future__ import annotations

import hashlib
import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from harness.plugin import AssetInput, Usage
from harness_rag.passages import split, titled
from harness_rag.retrieved import HITS, META, PASSAGES, Span
from harness_rag.search import CHUNK, Encoder, Ranked, Search, searcher

KEPT = 10
"""Passages kept per question: the most that any k can ask for."""
NEIGHBOURS = 40
"""Training questions kept per question: enough to leave out a cluster's own."""
TIMED_QUESTIONS = 20
Phase = Callable[[str, Callable[[], Usage]], AbstractContextManager[None]]
Rank = Callable[[Sequence[str]], Ranked]

_HITS = pa.schema([("question", pa.string()), ("passages", pa.list_(pa.int32())), ("scores", pa.list_(pa.float32()))])
_PASSAGES = pa.schema([("document", pa.int32()), ("start", pa.int32()), ("end", pa.int32())])


def make(folder: Path, given: AssetInput, settings: Mapping[str, Any], phase: Phase) -> None:
    """Passages of the documents for every question: retrieved, or as a control told by the evidence."""
    with phase("index", _nothing_read):
        spans = list(split(given.documents))
        texts = [titled(given.documents[span.document], span) for span in spans]
        _write_spans(folder / PASSAGES, spans)
    if settings["passages"] == "retrieved":
        _retrieve(folder, texts, given.texts, settings, KEPT, phase)
        return
    told = _Told(given, spans, settings["passages"])
    with phase("retrieve", _nothing_read):
        _write_hits(folder / HITS, given.texts, told)
    _write_meta(folder, {"index": settings["passages"], "passages": len(texts), "s_per_question": 0, "latency_s": []})


def make_neighbours(folder: Path, given: AssetInput, settings: Mapping[str, Any], phase: Phase) -> None:
    """The nearest training questions of every question; their numbers are places in the training set."""
    _retrieve(folder, given.train, given.texts, settings, NEIGHBOURS, phase)


def _retrieve(
    folder: Path, texts: Sequence[str], asked: Sequence[str], settings: Mapping[str, Any], kept: int, phase: Phase
) -> None:
    """Index the texts (charged as adapting), then search for every question (charged as answering)."""
    retriever = settings["retriever"]
    encoder = None if retriever == "bm25" else Encoder(settings["encoder"])
    counts = encoder.usage if encoder else _nothing_read
    with phase("index", counts):
        search = searcher(retriever, encoder, texts, asked)
    with phase("retrieve", counts):
        began = time.perf_counter()
        _write_hits(folder / HITS, asked, lambda chunk: search(chunk, kept))
        seconds = time.perf_counter() - began
    with phase("latency", counts):
        latencies = _latencies(search, kept, asked[: TIMED_QUESTIONS + 1])
    meta = {
        "encoder": encoder.card.id if encoder else None,
        "revision": encoder.card.revision if encoder else None,
        "index": search.kind,
        "passages": len(texts),
        "s_per_question": seconds / len(asked),
        "latency_s": latencies,
    }
    _write_meta(folder, meta)


def _nothing_read() -> Usage:
    """Words are counted, no model reads them."""
    return Usage(tokens=0, flops=0.0, layers=0)


class _Told:
    """Controls: the passages that hold the answer (`oracle`), or ten that do not (`irrelevant`), drawn by a hash."""

    def __init__(self, given: AssetInput, spans: Sequence[Span], which: str) -> None:
        self._which = which
        self._evidence = dict(zip(given.texts, given.evidence, strict=True))
        self._of: dict[str, list[int]] = defaultdict(list)
        for number, span in enumerate(spans):
            self._of[given.documents[span.document].id].append(number)
        self._all = len(spans)

    def __call__(self, texts: Sequence[str]) -> Ranked:
        numbers = np.full((len(texts), KEPT), -1, dtype=np.int64)
        for row, text in enumerate(texts):
            holding = [number for document in self._evidence[text] for number in self._of[document]]
            chosen = holding[:KEPT] if self._which == "oracle" else self._others(text, set(holding))
            numbers[row, : len(chosen)] = chosen
        return np.ones(numbers.shape, dtype=np.float32), numbers

    def _others(self, text: str, holding: set[int]) -> list[int]:
        random = np.random.default_rng(list(hashlib.sha256(text.encode()).digest()))
        drawn = random.permutation(self._all)[: KEPT + len(holding)]
        return [int(number) for number in drawn if number not in holding][:KEPT]


def _write_hits(file: Path, texts: Sequence[str], rank: Rank) -> None:
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _HITS) as writer:
        for chunk in _chunks(texts):
            scores, numbers = rank(chunk)
            found = numbers >= 0
            columns = {
                "question": list(chunk),
                "passages": [row[kept] for row, kept in zip(numbers, found, strict=True)],
                "scores": [row[kept] for row, kept in zip(scores, found, strict=True)],
            }
            writer.write_table(pa.Table.from_pydict(columns, schema=_HITS))


def _chunks(texts: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(texts), CHUNK):
        yield texts[start : start + CHUNK]


def _latencies(search: Search, kept: int, texts: Sequence[str]) -> list[float]:
    """Seconds to search for one question, one at a time, after one that warms up."""
    seconds = []
    for text in texts:
        began = time.perf_counter()
        search([text], kept)
        seconds.append(time.perf_counter() - began)
    return seconds[1:] or seconds


def _write_spans(file: Path, spans: Sequence[Span]) -> None:
    columns = {name: [getattr(span, name) for span in spans] for name in _PASSAGES.names}
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, _PASSAGES) as writer:
        writer.write_table(pa.Table.from_pydict(columns, schema=_PASSAGES))


def _write_meta(folder: Path, meta: Mapping[str, Any]) -> None:
    (folder / META).write_text(json.dumps(meta), encoding="utf-8")
