"""What was retrieved for every question, read back without any framework."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from harness.plugin import Document, HarnessError, Passage

HITS, PASSAGES, META = "hits.arrow", "passages.arrow", "retrieval.json"


@dataclass(frozen=True, slots=True)
class Span:
    """A passage: characters [start, end) of one document."""

    document: int
    start: int
    end: int


class Retrieved:
    """Ranked passages by question text."""

    def __init__(self, hits: Mapping[str, tuple[list[int], list[float]]], spans: Sequence[Span], meta: Any) -> None:
        self._hits, self._spans, self.meta = hits, spans, meta

    def passages(self, text: str, k: int, documents: Sequence[Document]) -> tuple[Passage, ...]:
        """At most k, best first; weights are similarities as a share of the best one's, squared."""
        if text not in self._hits:
            raise HarnessError(f"nothing was retrieved for the question {text[:60]!r}: it was not in the plan")
        numbers, scores = self._hits[text]
        best = max(scores[0], 1e-6) if scores else 1.0
        found = []
        for number, score in list(zip(numbers, scores, strict=True))[:k]:
            span = self._spans[number]
            document = documents[span.document]
            weight = min(1.0, max(score, 1e-6) / best) ** 2
            found.append(Passage(document.id, document.text[span.start : span.end], weight))
        return tuple(found)


def open_retrieved(folder: Path) -> Retrieved:
    hits = _read(folder / HITS)
    ranked = {
        text: (numbers, scores)
        for text, numbers, scores in zip(
            hits.column("question").to_pylist(),
            hits.column("passages").to_pylist(),
            hits.column("scores").to_pylist(),
            strict=True,
        )
    }
    spans = [Span(**row) for row in _read(folder / PASSAGES).to_pylist()]
    return Retrieved(ranked, spans, json.loads((folder / META).read_text(encoding="utf-8")))


def _read(file: Path) -> pa.Table:
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all()
