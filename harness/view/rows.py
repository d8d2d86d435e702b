"""Rows as a page shows them: the question, its choices, and every arm's answer side by side."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from harness.stats import Ints
from harness.view.columns import Parts, equal_to
from harness.view.index import RIGHT, WRONG, ArmIndex, Seed, SetIndex

ASKED = ("id", "content", "choices", "gold", "cluster", "groups", "evidence", "twin")
ANSWERED = ("scores", "passages")
MOST_CHOICES = 8
"""Of more, a list of rows shows those that matter."""
STATES = {RIGHT: "right", WRONG: "wrong"}


@dataclass(frozen=True, slots=True)
class Choice:
    number: int
    """In the row's order, from 1."""
    text: str
    gold: bool
    chosen_by: int
    """Arms that some seed of chose it."""
    scores: tuple[str, ...]
    """Of each arm, in their order."""


@dataclass(frozen=True, slots=True)
class Passages:
    names: tuple[str, ...]
    """Of the documents read, best first."""
    hit: bool | None
    """None where the task does not say which documents hold the answer."""
    seed: int | None
    """Whose they are, where the arm has several."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one arm answered to one row."""

    arm: str
    state: str
    """`right`, `wrong`, or `2 of 3 right` for seeds that differ."""
    given: tuple[tuple[str, int], ...]
    """Answers and how many seeds gave each, most frequent first."""
    seeds: int
    score: str
    """Of the first answer: `93 %`, or a score where those are no probabilities; over several seeds, their mean."""
    share: float | None
    """The same as a share of 1; None for a score."""
    chosen: frozenset[int]
    """Numbers of the choices given."""
    passages: Passages | None
    """Of the first seed; None for an arm that reads no documents."""
    alone: str
    """Milliseconds that it took when it was asked alone, a mean over seeds; empty where it was not."""


@dataclass(frozen=True, slots=True)
class RowShown:
    place: int
    """In its set, from 0."""
    id: str
    texts: tuple[str, ...]
    choices: tuple[Choice, ...]
    groups: tuple[tuple[str, str], ...]
    cluster: str
    twin: str | None
    evidence: tuple[str, ...]
    answers: tuple[Answer, ...]

    @property
    def shown(self) -> tuple[Choice, ...]:
        """All choices where they are few, else the gold one and those that some arm chose."""
        if len(self.choices) <= MOST_CHOICES:
            return self.choices
        return tuple(choice for choice in self.choices if choice.gold or choice.chosen_by)

    @property
    def timed(self) -> bool:
        return any(answer.alone for answer in self.answers)

    @property
    def several_seeds(self) -> bool:
        return any(answer.seeds > 1 for answer in self.answers)

    @property
    def readers(self) -> list[tuple[Passages, list[str]]]:
        """What was read, and the arms that read just this."""
        found: dict[Passages, list[str]] = {}
        for answer in self.answers:
            if answer.passages is not None:
                found.setdefault(answer.passages, []).append(answer.arm)
        return list(found.items())


def rows_at(index: SetIndex, places: Ints, seed: int | None) -> list[RowShown]:
    """The rows at these places [k], ascending; only they are decoded."""
    asked = index.parts.rows(places, index.ends, *ASKED)
    arms = [index.arms[name] for name in index.answering(seed)]
    read = {arm.name: [(cell, cell.parts.rows(places, index.ends, *ANSWERED)) for cell in arm.of(seed)] for arm in arms}
    return [
        _row(int(place), values, arms, read, number)
        for number, (place, values) in enumerate(zip(places, asked, strict=True))
    ]


def place_of(index: SetIndex, id: str) -> int | None:
    """Where the row with this id is; None if there is none."""
    found = np.flatnonzero(equal_to(index.parts.column("id"), id))
    return int(found[0]) if len(found) else None


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Where a row stands among those that a filter leaves; it need not be one of them."""

    previous: str | None
    """Its id."""
    next: str | None
    number: int | None
    """From 1; None if the filter leaves the row out."""
    count: int
    before: int
    """How many of them stand before it."""

    def page(self, size: int) -> int:
        """The page of so many rows that it is on, or would be."""
        return min(self.before, max(0, self.count - 1)) // size + 1


def neighbours(index: SetIndex, places: Ints, place: int) -> Neighbours:
    """`places` [k] are ascending."""
    before = int(np.searchsorted(places, place, side="left"))
    after = int(np.searchsorted(places, place, side="right"))
    near = [int(places[number]) if 0 <= number < len(places) else None for number in (before - 1, after)]
    ids = [None if n is None else str(index.parts.rows(np.array([n]), index.ends, "id")[0]["id"]) for n in near]
    return Neighbours(ids[0], ids[1], before + 1 if after > before else None, len(places), before)


def documents(parts: Parts, names: Iterable[str]) -> Mapping[str, tuple[str, str]]:
    """Title and text of documents by their name; one that the task no longer has is left out."""
    ids = list(parts.column("id"))
    ends = np.cumsum([len(part) for part in ids])
    found = {}
    for name in dict.fromkeys(names):
        for part, end in zip(ids, ends, strict=True):
            place = pc.index(part, name).as_py()
            if place >= 0:
                (document,) = parts.rows(np.array([end - len(part) + place]), ends, "title", "text")
                found[name] = (document["title"], document["text"])
                break
    return found


Read = Mapping[str, Sequence[tuple[Seed, Sequence[Mapping[str, Any]]]]]
"""Arm -> its cells, each with what it answered to the rows of a page."""


def _row(place: int, values: Mapping[str, Any], arms: Sequence[ArmIndex], read: Read, number: int) -> RowShown:
    answers = [_answer(arm, [(cell, rows[number]) for cell, rows in read[arm.name]], values, place) for arm in arms]
    return RowShown(
        place,
        values["id"],
        tuple(values["content"]),
        tuple(_choices(values, arms, read, number, place)),
        tuple(sorted(json.loads(values["groups"]).items())),
        values["cluster"],
        values["twin"],
        tuple(values["evidence"]),
        tuple(answers),
    )


def _choices(values: Mapping[str, Any], arms: Sequence[ArmIndex], read: Read, number: int, place: int) -> list[Choice]:
    found = []
    for choice, text in enumerate(values["choices"]):
        chosen_by = sum(any(cell.chosen[place] == choice for cell, _ in read[arm.name]) for arm in arms)
        scores = [_score([(cell, rows[number]) for cell, rows in read[arm.name]], choice)[0] for arm in arms]
        found.append(Choice(choice + 1, text, choice == values["gold"], chosen_by, tuple(scores)))
    return found


def _answer(
    arm: ArmIndex, cells: Sequence[tuple[Seed, Mapping[str, Any]]], values: Mapping[str, Any], place: int
) -> Answer:
    given = dict(Counter(int(cell.chosen[place]) for cell, _ in cells).most_common())
    right = sum(bool(cell.right[place]) for cell, _ in cells)
    state = STATES[RIGHT] if right == len(cells) else STATES[WRONG] if not right else f"{right} of {len(cells)} right"
    score, share = _score(cells, next(iter(given)))
    first, read = cells[0]
    passages = None
    if first.hit is not None:
        known = int(first.hit[place])
        passages = Passages(
            tuple(read["passages"]), None if known < 0 else bool(known), first.number if len(cells) > 1 else None
        )
    answers = tuple((values["choices"][choice], count) for choice, count in given.items())
    chosen = frozenset(choice + 1 for choice in given)
    alone = [cell.alone[place] for cell, _ in cells if place in cell.alone]
    took = f"{1000 * float(np.mean(alone)):,.3g} ms" if alone else ""
    return Answer(arm.name, state, answers, len(cells), score, share, chosen, passages, took)


def _score(cells: Sequence[tuple[Seed, Mapping[str, Any]]], choice: int) -> tuple[str, float | None]:
    scores = [np.array(read["scores"], dtype=np.float64) for _, read in cells]
    if any(cell.scores_only_rank for cell, _ in cells):
        return f"{np.mean([each[choice] for each in scores]):.3g}", None
    powers = [np.exp(each - each.max()) for each in scores]
    share = float(np.mean([each[choice] / each.sum() for each in powers]))
    return f"{100 * share:.0f} %", share
