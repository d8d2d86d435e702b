"""A FAISS index that fits the number of passages."""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

import faiss
import numpy as np

FLAT_PASSAGES = 50_000
"""Up to here every passage is compared: exact, and fast enough."""
TRAINED_PER_LIST = 64
PROBED_SHARE = 0.02


def kind_for(passages: int) -> str:
    """FAISS factory string: exact while small, then inverted lists of 8-bit vectors."""
    if passages <= FLAT_PASSAGES:
        return "Flat"
    return f"IVF{int(4 * sqrt(passages))},SQ8"


def build(chunks: Iterable[np.ndarray], passages: int, dimensions: int) -> faiss.Index:
    """From unit vectors in chunks [n, d]; the index is trained on the first chunks that suffice."""
    kind = kind_for(passages)
    index = faiss.index_factory(dimensions, kind, faiss.METRIC_INNER_PRODUCT)
    if kind == "Flat":
        for chunk in chunks:
            index.add(chunk)
        return index
    lists = faiss.extract_index_ivf(index).nlist
    held: list[np.ndarray] = []
    for chunk in chunks:
        if index.is_trained:
            index.add(chunk)
            continue
        held.append(chunk)
        if sum(map(len, held)) >= min(passages, lists * TRAINED_PER_LIST):
            first = np.concatenate(held)
            index.train(first)
            index.add(first)
            held = []
    faiss.extract_index_ivf(index).nprobe = max(8, int(lists * PROBED_SHARE))
    return index
