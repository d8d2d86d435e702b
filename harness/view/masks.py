"""The rows that a filter leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from harness.confidence import reliability_bins
from harness.stats import balanced
from harness.view.columns import Mask, chosen_is, equal_to, texts
from harness.view.filters import EXCESS, GAP, Filter, groups_of
from harness.view.index import MIXED, RIGHT, WRONG, Seed, SetIndex

STATES = {"1": RIGHT, "0": WRONG, "mixed": MIXED}
HITS = {"1": 1, "0": 0}


def matching(index: SetIndex, wanted: Filter) -> Mask:
    """Rows that meet every condition: [n]."""
    found = np.ones(len(index), dtype=bool)
    for mask in _masks(index, wanted):
        found &= mask
    return found


def _masks(index: SetIndex, wanted: Filter) -> Iterator[Mask]:
    about = [wanted.arm] if wanted.arm else index.answering(wanted.seed)
    seed = wanted.seed
    for arm in about:
        if wanted.right:
            yield index.states(arm, seed) == STATES[wanted.right]
        if wanted.flip:
            yield index.flips(arm, seed)
        if wanted.timed:
            yield index.timed(arm, seed)
        for cell in index.arms[arm].of(seed):
            if wanted.answer:
                yield chosen_is(index.parts.column("choices"), cell.chosen, wanted.answer)
            if wanted.abstained:
                yield abstained(index, cell, wanted.abstained)
    if wanted.hit:
        yield _hit(index, about, seed, wanted.hit)
    if wanted.bin or wanted.surest:
        yield np.logical_or.reduce(picked(index, wanted))
    if wanted.arm and wanted.versus:
        yield index.share(wanted.arm, seed) != index.share(wanted.versus, seed)
    if wanted.differ:
        yield index.differing(seed)
    if wanted.better:
        yield index.states(wanted.better, seed) == RIGHT
    if wanted.worse:
        yield index.states(wanted.worse, seed) == WRONG
    yield from _questions(index, wanted)


def _questions(index: SetIndex, wanted: Filter) -> Iterator[Mask]:
    """Conditions that no answer has a part in."""
    if wanted.group:
        yield np.any([index.in_group(*groups_of(index)[each]) for each in wanted.group], axis=0)
    if wanted.marked:
        yield index.in_group(wanted.marked)
    if wanted.twins:
        yield index.twinned
    if wanted.answerable:
        yield (index.abstaining >= 0) & ((index.gold != index.abstaining) == (wanted.answerable == "1"))
    if wanted.gap:
        yield balanced(*(texts(index.beside[name], "cluster") for name in GAP))[GAP.index(index.name)]
    if wanted.excess:
        yield _as_many_people(index)
    if wanted.cluster:
        yield equal_to(index.parts.column("cluster"), wanted.cluster)
    if wanted.twin:
        yield equal_to(index.parts.column("twin"), wanted.twin)
    if wanted.gold:
        yield chosen_is(index.parts.column("choices"), index.gold, wanted.gold)
    if wanted.q:
        yield index.containing(wanted.q)


def abstained(index: SetIndex, cell: Seed, whether: str) -> Mask:
    """Rows that offer to abstain, by whether one seed did: [n]."""
    found: Mask = (index.abstaining >= 0) & ((cell.chosen == index.abstaining) == (whether == "1"))
    return found


def picked(index: SetIndex, wanted: Filter) -> Mask:
    """The answers of every seed of the arm that its confidence is asked of: [seeds, n]."""
    return _bins(index, wanted) & _surest(index, wanted)


def _bins(index: SetIndex, wanted: Filter) -> Mask:
    """Bins without answers of any seed are not counted, as in the report."""
    cells = _cells(index, wanted)
    if not wanted.bin:
        return np.ones((len(cells), len(index)), dtype=bool)
    bins = np.stack([reliability_bins(index.odds(wanted.arm or "", cell)) for cell in cells])
    filled = np.unique(bins)
    return np.asarray(bins == (filled[wanted.bin - 1] if wanted.bin <= len(filled) else -1))


def _surest(index: SetIndex, wanted: Filter) -> Mask:
    cells = _cells(index, wanted)
    if not wanted.surest:
        return np.ones((len(cells), len(index)), dtype=bool)
    found = np.zeros((len(cells), len(index)), dtype=bool)
    for own, cell in zip(found, cells, strict=True):
        own[np.argsort(-index.odds(wanted.arm or "", cell), kind="stable")[: wanted.surest]] = True
    return found


def _cells(index: SetIndex, wanted: Filter) -> Sequence[Seed]:
    return index.arms[wanted.arm].of(wanted.seed) if wanted.arm else ()


def _hit(index: SetIndex, about: Sequence[str], seed: int | None, state: str) -> Mask:
    """Of the arms that read documents; no row where none of them does."""
    cells = [cell.hit for arm in about for cell in index.arms[arm].of(seed) if cell.hit is not None]
    if not cells:
        return np.zeros(len(index), dtype=bool)
    hit = np.stack(cells)
    found: Mask = np.all(hit >= 0 if state == "known" else hit == HITS[state], axis=0)
    return found


def _as_many_people(index: SetIndex) -> Mask:
    """Rows whose question is asked about as many people, two at least, in both of the sets: [n]."""
    one, other = (Counter(texts(index.beside[name], "twin")) for name in EXCESS)
    kept = {twin for twin, people in one.items() if twin is not None and people > 1 and other[twin] == people}
    return np.array([twin in kept for twin in texts(index.parts, "twin")], dtype=bool)
