"""Ranking passages for questions: by meaning (FAISS), by words (BM25), or by both."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from harness.models import describe, located
from harness.plugin import ModelError, Usage
from harness.session import Counter

CHUNK = 10_000
BATCH = 32
TOLD, SEED = 256, 11
"""How many questions an index of many passages is told of, and the order in which it takes the passages."""
FUSED_DEPTH = 50
FUSION = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke & Büttcher 2009, SIGIR, "Reciprocal rank fusion ...")."""

Ranked = tuple[np.ndarray, np.ndarray]
"""Scores, float32, and numbers of passages, both [n, k], best first; -1 where there are fewer than k."""


class Search(Protocol):
    kind: str
    """What the index is, in the report's words."""

    def __call__(self, texts: Sequence[str], k: int) -> Ranked: ...


class Encoder:
    """A frozen sentence encoder that counts what it reads."""

    def __init__(self, model: str) -> None:
        from sentence_transformers import SentenceTransformer

        self.card = describe(model)
        if self.card.family != "sentence-encoder":
            raise ModelError(f"encoder {self.card.id!r} is no sentence encoder (it has no modules.json)")
        self._model = SentenceTransformer(str(located(self.card)))
        self._counter = Counter(self.card)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """Unit vectors, float32 [n, d]."""
        most = self._model.max_seq_length or sys.maxsize
        lengths = [min(len(ids), most) for ids in self._model.tokenizer(list(texts))["input_ids"]]
        self._counter.count(lengths, -(-len(texts) // BATCH))
        found = self._model.encode(list(texts), normalize_embeddings=True, show_progress_bar=False, batch_size=BATCH)
        return np.asarray(found, dtype=np.float32)

    def usage(self) -> Usage:
        """What was read since the last call."""
        return self._counter.taken()


class Dense:
    """Inner product of unit vectors, in an index chosen by size."""

    def __init__(self, encoder: Encoder, passages: Sequence[str], asked: Sequence[str]) -> None:
        from harness_rag.index import FLAT_PASSAGES, build

        self._encoder = encoder
        self._order: np.ndarray | None = None
        told = None
        if len(passages) > FLAT_PASSAGES:
            random = np.random.default_rng(SEED)
            self._order = random.permutation(len(passages))
            told = encoder([asked[place] for place in random.permutation(len(asked))[:TOLD]])
        self._index, self.kind = build(self._embedded(passages), len(passages), encoder.card.hidden, told)

    def _embedded(self, passages: Sequence[str]) -> Iterator[np.ndarray]:
        order = range(len(passages)) if self._order is None else self._order
        for start in range(0, len(passages), CHUNK):
            yield self._encoder([passages[number] for number in order[start : start + CHUNK]])

    def __call__(self, texts: Sequence[str], k: int) -> Ranked:
        scores, numbers = self._index.search(self._encoder(texts), min(k, self._index.ntotal))
        return scores, numbers if self._order is None else np.where(numbers < 0, -1, self._order[numbers])


class Lexical:
    """Okapi BM25 with bm25s (Lù 2024, arXiv:2407.03618), English stop words left out."""

    kind = "BM25"

    def __init__(self, passages: Sequence[str]) -> None:
        import bm25s

        self._passages = len(passages)
        self._index = bm25s.BM25()
        self._index.index(bm25s.tokenize(list(passages), show_progress=False), show_progress=False)

    def __call__(self, texts: Sequence[str], k: int) -> Ranked:
        import bm25s

        asked = bm25s.tokenize(list(texts), show_progress=False, return_ids=False)
        numbers, scores = self._index.retrieve(asked, k=min(k, self._passages), show_progress=False)
        return scores, np.where(scores > 0, numbers, -1)


class Hybrid:
    """Reciprocal rank fusion of both: a passage scores the sum of 1 / (60 + rank) over the rankings that hold it."""

    def __init__(self, dense: Dense, lexical: Lexical) -> None:
        self._parts = (dense, lexical)
        self.kind = f"{dense.kind} + {lexical.kind}"

    def __call__(self, texts: Sequence[str], k: int) -> Ranked:
        rankings = [part(texts, max(k, FUSED_DEPTH))[1] for part in self._parts]
        scores = np.zeros((len(texts), k), dtype=np.float32)
        numbers = np.full((len(texts), k), -1, dtype=np.int64)
        for row in range(len(texts)):
            summed: dict[int, float] = {}
            for ranking in rankings:
                for rank, number in enumerate(ranking[row].tolist(), 1):
                    if number >= 0:
                        summed[number] = summed.get(number, 0.0) + 1 / (FUSION + rank)
            best = sorted(summed, key=lambda number: (-summed[number], number))[:k]
            numbers[row, : len(best)] = best
            scores[row, : len(best)] = [summed[number] for number in best]
        return scores, numbers


def searcher(retriever: str, encoder: Encoder | None, passages: Sequence[str], asked: Sequence[str]) -> Search:
    """`dense`, `bm25` or `hybrid`, for questions like those in `asked`; the encoder may be absent only for `bm25`."""
    if retriever == "bm25":
        return Lexical(passages)
    assert encoder is not None
    dense = Dense(encoder, passages, asked)
    return dense if retriever == "dense" else Hybrid(dense, Lexical(passages))
