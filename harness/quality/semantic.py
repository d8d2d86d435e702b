"""Questions that mean nearly the same in other words, as the frozen encoder sees them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from harness.quality.findings import Asked, Embed, Finding, Place, Severity, asked, counted, of_pairs
from harness.quality.same import spelt
from harness.types import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

CLOSE = 0.95
"""Cosine from which two questions are told. With the default encoder, among 2,520 questions of `legal-qa` no two reach
it (the closest, 0.936, ask about the smallest and about the largest employers); among 6,000 of `banking77` 1,657 pairs
do, 99.5 % of them of one label. At 0.85 it would be 97.4 %, and of 20 pairs of `legal-qa` four would be wrong."""
BLOCK = 1_024
"""Questions compared at once: with a hundred thousand others a block is 400 MB of similarities."""


def finding(task: Task, embed: Embed) -> Finding:
    """Each question with the nearest of those before it, where the task does not itself say that they hang together.

    Compares all pairs: quadratic, but little beside what embedding costs.
    """
    distinct: dict[str, Place] = {}
    for found in asked(task):
        for row in found.rows:
            distinct.setdefault(spelt(row), (found.name, row))
    places = list(distinct.values())
    vectors = embed([row.question.text for _, row in places])
    pairs = [(Asked.at(places[one]), Asked.at(places[other])) for one, other in _close(vectors, places)]
    told = f"{counted(len(pairs), 'pair')} of cosine {CLOSE} or more, in other words and of different clusters"
    return of_pairs("near-duplicates by meaning", Severity.NOTICE, pairs, told)


def _close(vectors: npt.NDArray[np.float32], places: Sequence[Place]) -> Iterator[tuple[int, int]]:
    """(earlier, later) by place; `vectors` are unit vectors, float32 [n, d]."""
    import numpy as np

    clusters = np.unique([row.cluster for _, row in places], return_inverse=True)[1]
    for start in range(0, len(places), BLOCK):
        end = min(start + BLOCK, len(places))
        cosines = vectors[start:end] @ vectors[:end].T
        earlier = np.arange(end)[None, :] < np.arange(start, end)[:, None]
        cosines[~earlier | (clusters[None, :end] == clusters[start:end, None])] = -1.0
        nearest = cosines.argmax(axis=1)
        for number, other in enumerate(nearest.tolist()):
            if cosines[number, other] >= CLOSE:
                yield other, start + number
