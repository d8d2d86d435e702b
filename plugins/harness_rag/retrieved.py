"""What was found for every question, read back without any framework."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from harness.plugin import Document, HarnessError, Passage

HITS, PASSAGES, META = "hits.arrow", "passages.arrow", "retrieval.json"


@dataclass(frozen=True, slots=True)
class Span:
    """A passage: characters [start, end) of one document."""

    document: int
    start: int
    end: int


class Hits:
    """Ranked numbers by question text, best first, with weights: similarities as a share of the best one's, squared."""

    def __init__(self, found: Mapping[str, tuple[list[int], list[float]]], meta: Mapping[str, Any]) -> None:
        self._found, self.meta = found, meta

    def of(self, text: str) -> list[tuple[int, float]]:
        if text not in self._found:
            raise HarnessError(f"nothing was retrieved for the question {text[:60]!r}: it was not in the plan")
        numbers, scores = self._found[text]
        best = max(scores[0], 1e-6) if scores else 1.0
        weights = [min(1.0, max(score, 1e-6) / best) ** 2 for score in scores]
        return list(zip(numbers, weights, strict=True))


class Retrieved:
    """Ranked passages of the documents by question text."""

    def __init__(self, hits: Hits, spans: Sequence[Span]) -> None:
        self.hits, self._spans = hits, spans

    def passages(self, text: str, k: int, documents: Sequence[Document]) -> tuple[Passage, ...]:
        found = []
        for number, weight in self.hits.of(text)[:k]:
            span = self._spans[number]
            document = documents[span.document]
            found.append(Passage(document.id, document.text[span.start : span.end], weight))
        return tuple(found)


def open_retrieved(folder: Path) -> Retrieved:
    return Retrieved(open_hits(folder), [Span(**row) for row in _read(folder / PASSAGES).to_pylist()])


class _Found(Mapping[str, tuple[list[int], list[float]]]):
    """Rankings by text, each made into lists when it is asked for: as lists a million of them take a gigabyte."""

    def __init__(self, hits: pa.Table) -> None:
        self._rows = {text: row for row, text in enumerate(hits.column("question").to_pylist())}
        lists = [hits.column(name).combine_chunks() for name in ("passages", "scores")]
        self._numbers, self._scores = (np.from_dlpack(column.flatten()) for column in lists)
        self._ends = np.cumsum(np.from_dlpack(lists[0].value_lengths()), dtype=np.int64)

    def __getitem__(self, text: str) -> tuple[list[int], list[float]]:
        row = self._rows[text]
        kept = slice(self._ends[row - 1] if row else 0, self._ends[row])
        return self._numbers[kept].tolist(), self._scores[kept].tolist()

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


def open_hits(folder: Path) -> Hits:
    return Hits(_Found(_read(folder / HITS)), json.loads((folder / META).read_text(encoding="utf-8")))


def _read(file: Path) -> pa.Table:
    with pa.memory_map(str(file)) as source:
        return pa.ipc.open_file(source).read_all()
