"""A FAISS index that fits the number of passages.

Few are all compared. Many are kept in inverted lists (Jégou, Douze & Schmid 2011, "Product quantization for nearest
neighbor search"), of which a question reads some. What it reads there are codes of one bit per dimension, scanned in
registers (André, Kermarrec & Le Scouarnec 2015, VLDB, "Cache locality is not enough"); the best of them are scored
again by codes of six bits per dimension. How many lists are read is chosen on questions.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import sqrt

import faiss
import numpy as np

FLAT_PASSAGES = 50_000
"""Up to here every passage is compared: exact, and fast enough."""
TRAINED_PER_LIST = 40
DEPTH = 10
"""A question wants so many of its nearest passages."""
SCORED_AGAIN = 25
"""So many times as many are scored again."""
CODED = 3.5
"""Standard deviations of a dimension, either side of its mean, that six bits divide; what lies beyond is drawn in.

From least to greatest, as FAISS would divide it, a few far values make every step wider: squared errors of 3.2e-6
where these have 2.3e-6 (a million vectors like those of texts)."""
ENOUGH, MOST = 0.998, 0.25
"""Of what is found when a quarter of all lists is read, the share that must be found on the questions told of."""
PROBES, MORE = 8, 1.5
"""How many lists are tried first, and how many times more until that is so."""


def kind_for(passages: int, dimensions: int) -> str:
    """FAISS factory string."""
    if passages <= FLAT_PASSAGES:
        return "Flat"
    return f"IVF{int(4 * sqrt(passages))},PQ{dimensions // 4}x4fs,Refine(SQ6)"


def build(
    chunks: Iterable[np.ndarray], passages: int, dimensions: int, asked: np.ndarray | None = None
) -> tuple[faiss.Index, str]:
    """From unit vectors in chunks [n, d]: the index, and what to call it in a report.

    Beyond `FLAT_PASSAGES`, chunks must come in random order, for the first ones train it, and `asked` [m, d] are
    vectors of questions like those to come. In full precision, nothing is held but what trains it.
    """
    kind = kind_for(passages, dimensions)
    index = faiss.index_factory(dimensions, kind, faiss.METRIC_INNER_PRODUCT)
    if kind == "Flat":
        for chunk in chunks:
            index.add(chunk)
        return index, kind
    assert asked is not None
    again = faiss.downcast_index(index.refine_index).sq
    again.rangestat, again.rangestat_arg = faiss.ScalarQuantizer.RS_meanstd, CODED
    lists = faiss.extract_index_ivf(index)
    training = np.empty((min(passages, lists.nlist * TRAINED_PER_LIST), dimensions), dtype=np.float32)
    exact = faiss.ResultHeap(len(asked), DEPTH, keep_max=True)
    seen = 0
    for chunk in chunks:
        scores, numbers = faiss.knn(asked, chunk, min(DEPTH, len(chunk)), metric=faiss.METRIC_INNER_PRODUCT)
        exact.add_result(scores, numbers + seen)
        rest = chunk
        if not index.is_trained:
            rest = chunk[len(training) - seen :]
            training[seen : seen + len(chunk)] = chunk[: len(training) - seen]
            if seen + len(chunk) >= len(training):
                index.train(training)
                index.add(training)
                del training
        if index.is_trained and len(rest):
            index.add(rest)
        seen += len(chunk)
    exact.finalize()
    index.k_factor = SCORED_AGAIN
    recall = _choose_probes(index, lists, asked, exact.I)
    return index, f"{kind}, {lists.nprobe} lists read: {recall:.1%} of the {DEPTH} nearest found"


def _choose_probes(index: faiss.Index, lists: faiss.IndexIVF, asked: np.ndarray, exact: np.ndarray) -> float:
    """Read as few lists as find `ENOUGH`, and return which share of what is nearest they find."""

    def recall(probes: int) -> float:
        lists.nprobe = probes
        _, found = index.search(asked, DEPTH)
        return float(np.mean([np.isin(near, got).mean() for near, got in zip(exact, found, strict=True)]))

    most = int(MOST * lists.nlist)
    wanted, probes = ENOUGH * recall(most), float(PROBES)
    while (found := recall(min(most, int(probes)))) < wanted:
        probes *= MORE
    return found
