"""Whether the passages that an arm read hold the answer."""

import numpy as np

from harness.evidence import Evidence
from harness.stats import encode, mean_interval
from harness.types import Measurement, not_measured


def _ranks(evidence: Evidence) -> tuple[np.ndarray, list[str]] | str:
    """Reciprocal rank of the first evidence document, 0 where none was read: [seeds, n], and the clusters."""
    rows = [number for number, row in enumerate(evidence.rows) if row.evidence]
    if not rows:
        return "the task does not say which documents hold the answers"
    per_seed = []
    for cell in evidence.cells:
        read = evidence.passages(cell)
        if not any(read):
            return "the arm reads no passages"
        per_seed.append([_reciprocal(read[number], evidence.rows[number].evidence) for number in rows])
    return np.array(per_seed), [evidence.rows[number].cluster for number in rows]


def _reciprocal(read: tuple[str, ...], wanted: tuple[str, ...]) -> float:
    return next((1 / rank for rank, document in enumerate(read, 1) if document in wanted), 0.0)


def hit_at_k(evidence: Evidence) -> Measurement:
    """Share of questions with an evidence document among the k passages read, in percent."""
    found = _ranks(evidence)
    if isinstance(found, str):
        return not_measured(found, "%", "higher")
    ranks, names = found
    hits = (ranks > 0).mean(axis=0)
    low, high = mean_interval(hits, encode(names)[0])
    return Measurement(float(100 * hits.mean()), 100 * low, 100 * high, len(names), "%", "higher")


def mrr(evidence: Evidence) -> Measurement:
    """Mean reciprocal rank of the first evidence document among the passages read (Voorhees 1999, TREC-8)."""
    found = _ranks(evidence)
    if isinstance(found, str):
        return not_measured(found, "", "higher")
    ranks, names = found
    low, high = mean_interval(ranks.mean(axis=0), encode(names)[0])
    return Measurement(float(ranks.mean()), low, high, len(names), "", "higher")
