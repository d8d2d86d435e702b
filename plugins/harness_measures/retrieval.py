"""Whether the passages that an arm read hold the answer, and what it made of them."""

from dataclasses import dataclass

import numpy as np

from harness.evidence import Evidence
from harness.stats import encode, mean_interval
from harness.types import Measurement, not_measured


@dataclass(frozen=True, slots=True)
class _Read:
    """The questions whose evidence the task names, as an arm read and answered them."""

    ranks: np.ndarray
    """Reciprocal rank of the first evidence document, 0 where none was read: [seeds, n]."""
    right: np.ndarray
    """1 where the answer was right: [seeds, n]."""
    clusters: list[str]

    def mean(self, values: np.ndarray, scale: float, unit: str, better: str | None) -> Measurement:
        """Mean of `values` [seeds, n], times `scale`."""
        per_row = values.mean(axis=0)
        low, high = mean_interval(per_row, encode(self.clusters)[0])
        return Measurement(float(scale * per_row.mean()), scale * low, scale * high, len(self.clusters), unit, better)


def _read(evidence: Evidence) -> _Read | str:
    wanted = evidence.column("evidence")
    rows = [number for number, documents in enumerate(wanted) if documents]
    if not rows:
        return "the task does not say which documents hold the answers"
    per_seed = []
    for cell in evidence.cells:
        read = evidence.passages(cell)
        if not any(read):
            return "the arm reads no documents"
        pairs = zip(read, wanted, strict=True)
        per_seed.append([_reciprocal(found, documents) for found, documents in pairs if documents])
    names = evidence.column("cluster")
    return _Read(np.array(per_seed), evidence.correct[:, rows], [names[number] for number in rows])


def _reciprocal(read: tuple[str, ...], wanted: tuple[str, ...]) -> float:
    return next((1 / rank for rank, document in enumerate(read, 1) if document in wanted), 0.0)


def hit_at_k(evidence: Evidence) -> Measurement:
    """Share of questions with an evidence document among the k passages read, in percent."""
    found = _read(evidence)
    return (
        not_measured(found, "%", "higher")
        if isinstance(found, str)
        else found.mean(found.ranks > 0, 100, "%", "higher")
    )


def mrr(evidence: Evidence) -> Measurement:
    """Mean reciprocal rank of the first evidence document among the passages read (Voorhees 1999, TREC-8)."""
    found = _read(evidence)
    return not_measured(found, "", "higher") if isinstance(found, str) else found.mean(found.ranks, 1, "", "higher")


def _outcome(evidence: Evidence, hit: bool, right: bool, better: str | None) -> Measurement:
    found = _read(evidence)
    if isinstance(found, str):
        return not_measured(found, "%", better)
    return found.mean(((found.ranks > 0) == hit) & ((found.right > 0) == right), 100, "%", better)


def hit_right(evidence: Evidence) -> Measurement:
    """Share of questions whose evidence was read and whose answer is right, in percent; the four sum to 100."""
    return _outcome(evidence, True, True, "higher")


def hit_wrong(evidence: Evidence) -> Measurement:
    """Read, and answered wrong: the reader's failures."""
    return _outcome(evidence, True, False, "lower")


def miss_right(evidence: Evidence) -> Measurement:
    """Not read, and answered right all the same: known already, or guessed."""
    return _outcome(evidence, False, True, None)


def miss_wrong(evidence: Evidence) -> Measurement:
    """Not read, and answered wrong: the retriever's failures."""
    return _outcome(evidence, False, False, "lower")
