"""What the rows of a filter come to: the share that a figure of the report is, and of how many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.view.columns import Mask
from harness.view.filters import EXCESS, GAP, Filter
from harness.view.index import MIXED, RIGHT, WRONG, Seed, SetIndex
from harness.view.masks import HITS, abstained, matching, picked
from harness.view.runs import RunView

WORDS = {
    "hit": {"1": "hit", "0": "miss"},
    "abstained": {"1": "abstained", "0": "answered"},
    "right": {"1": "right", "0": "wrong"},
}
OTHERWISE = "answered otherwise"
STATES = {"1": ("right", RIGHT), "0": ("wrong", WRONG), "mixed": ("seeds differ", MIXED)}


@dataclass(frozen=True, slots=True)
class Tally:
    """So many of so many, over all seeds that are looked at."""

    told: str
    met: int
    of: int
    unit: str
    """`questions`, `answers` where each seed gave one, or `sets of twins`."""

    @property
    def share(self) -> str:
        return f"{100 * self.met / self.of:.1f} %" if self.of else ""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the rows, and the filter that leaves them alone."""

    told: str
    count: int
    query: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Against:
    """One arm less another over the rows that are counted."""

    points: float
    of: int


@dataclass(frozen=True, slots=True)
class Sum:
    tally: Tally | None = None
    """None without an arm that it could be of."""
    parts: tuple[Part, ...] = ()
    against: Against | None = None
    sure: tuple[float, float] | None = None
    """How sure the arm is of the answers that were picked by that: the least and the most, probabilities."""


def summed(index: SetIndex, wanted: Filter, found: Mask) -> Sum:
    """Of the rows `found` [n] by the filter."""
    if wanted.arm is None:
        return Sum()
    counted = found if wanted.counted == wanted else matching(index, wanted.counted)
    if wanted.versus:
        return _against(index, wanted, wanted.arm, wanted.versus, found, counted)
    parts = []
    if not (wanted.right or wanted.flip or wanted.abstained):
        states = index.states(wanted.arm, wanted.seed)
        parts = [
            Part(word, int((found & (states == state)).sum()), wanted.query(right=key))
            for key, (word, state) in STATES.items()
        ]
    tally = _tally(index, wanted, wanted.arm, found, counted)
    return Sum(tally, tuple(part for part in parts if part.count), sure=_sure(index, wanted, wanted.arm))


def _sure(index: SetIndex, wanted: Filter, arm: str) -> tuple[float, float] | None:
    cells = index.arms[arm].of(wanted.seed)
    if not (wanted.bin or wanted.surest) or any(cell.scores_only_rank for cell in cells):
        return None
    odds = np.stack([index.odds(arm, cell) for cell in cells])[picked(index, wanted)]
    return (_probability(odds.min()), _probability(odds.max())) if len(odds) else None


def _probability(odds: float) -> float:
    return float(1 / (1 + np.exp(-odds)))


def _tally(index: SetIndex, wanted: Filter, arm: str, found: Mask, counted: Mask) -> Tally:
    cells = index.arms[arm].of(wanted.seed)
    if index.twins is not None and (wanted.flip or wanted.twins or wanted.excess):
        sets = index.twins.codes
        met = sum(len(np.unique(sets[counted & index.flipped(cell)])) for cell in cells)
        return Tally(OTHERWISE, met, len(cells) * len(np.unique(sets[counted])), "sets of twins")
    if wanted.right == "mixed":
        return Tally(STATES["mixed"][0], int(found.sum()), int(counted.sum()), "questions")
    answers = picked(index, wanted) & counted
    asked = {name: value for name in WORDS if (value := getattr(wanted, name)) in WORDS[name]} or {"right": "1"}
    met = sum(int((own & _met(index, cell, asked)).sum()) for own, cell in zip(answers, cells, strict=True))
    told = " and ".join(WORDS[name][value] for name, value in asked.items())
    return Tally(told, met, int(answers.sum()), "answers" if len(cells) > 1 else "questions")


def _met(index: SetIndex, cell: Seed, asked: dict[str, str]) -> Mask:
    """Answers of one seed that are as asked: [n]."""
    found = np.ones(len(index), dtype=bool)
    if "right" in asked:
        found &= cell.right == (asked["right"] == "1")
    if "hit" in asked:
        found &= cell.hit == HITS[asked["hit"]] if cell.hit is not None else False
    if "abstained" in asked:
        found &= abstained(index, cell, asked["abstained"])
    return found


def _against(index: SetIndex, wanted: Filter, arm: str, other: str, found: Mask, counted: Mask) -> Sum:
    less = index.share(arm, wanted.seed) - index.share(other, wanted.seed)
    parts = tuple(
        Part(told, int((found & mask).sum()), wanted.query(versus=None, arm=None, better=better, worse=worse))
        for told, mask, better, worse in (
            ("the first right, the other wrong", _pair(index, arm, other, wanted.seed), arm, other),
            ("the other right, the first wrong", _pair(index, other, arm, wanted.seed), other, arm),
        )
    )
    of = int(counted.sum())
    points = 100 * float(less[counted].mean()) if of else 0.0
    return Sum(None, tuple(part for part in parts if part.count), Against(points, of))


def _pair(index: SetIndex, better: str, worse: str, seed: int | None) -> Mask:
    return np.asarray((index.states(better, seed) == RIGHT) & (index.states(worse, seed) == WRONG))


def beside(run: RunView, wanted: Filter) -> Part | None:
    """The rows of the other set that the same figure is of, if it is of two."""
    sets = GAP if wanted.gap else EXCESS if wanted.excess else ()
    other = next((name for name in sets if name != wanted.set and name in run.sets), None)
    if other is None:
        return None
    there = replace(wanted, set=other)
    return Part(other, int(matching(run.set(other), there).sum()), there.query())
