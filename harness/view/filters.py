"""Which rows: the query of a page, checked, and the rows that it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

import numpy as np

from harness.errors import UsageError, unknown
from harness.view.columns import Mask, chosen_is, equal_to
from harness.view.index import MIXED, RIGHT, WRONG, SetIndex
from harness.view.runs import RunView

SIZES = (10, 20, 50)
STATES = {"1": RIGHT, "0": WRONG, "mixed": MIXED}
LONGEST = 500
"""Characters of a text to search for."""
MOST_PAGES = 10**9


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions hold at once. Where several seeds are looked at, right and wrong are of every one of them."""

    set: str = "test"
    seed: int | None = None
    """Looked at alone; without it, all seeds of an arm."""
    arm: str | None = None
    """Whom `right`, `hit`, `flip` and `answer` are about; without it, about every arm."""
    right: str | None = None
    """`1` right, `0` wrong, `mixed` where seeds differ."""
    hit: str | None = None
    """`1`: a document that holds the answer was read; `0`: none of those was."""
    flip: str | None = None
    """`1`: twins of it are answered otherwise."""
    differ: str | None = None
    """`1`: some arm is right and another is not."""
    better: str | None = None
    """An arm that is right."""
    worse: str | None = None
    """An arm that is wrong."""
    group: str | None = None
    """`NAME:VALUE`"""
    cluster: str | None = None
    twin: str | None = None
    gold: str | None = None
    """Text of the gold answer."""
    answer: str | None = None
    """Text of the answer given."""
    q: str | None = None
    """Part of the question's text, in whatever case, or its whole id."""
    page: int = 1
    size: int = 20

    def query(self, **changes: Any) -> dict[str, Any]:
        """What an address names: all that is not as it would be without it. Another filter begins at its first page."""
        given = asdict(replace(self, page=1, **changes) if "page" not in changes else replace(self, **changes))
        return {each.name: given[each.name] for each in fields(self) if given[each.name] != each.default}

    def conditions(self) -> dict[str, Any]:
        """Those that leave rows out."""
        return {name: value for name, value in self.query().items() if name not in ("set", "seed", "size")}


def read_filter(given: Sequence[tuple[str, str]], run: RunView) -> Filter:
    """Raises `UsageError` for what is no filter of this run; what is empty, as a form leaves it, is not given."""
    known = {each.name for each in fields(Filter)}
    values: dict[str, Any] = {}
    for name, value in given:
        if name not in known:
            raise UsageError(unknown("parameter", name, known))
        if name in values:
            raise UsageError(f"{name} is given twice")
        if value:
            values[name] = value
    _check(values, run)
    return Filter(**values)


def _check(values: dict[str, Any], run: RunView) -> None:
    name = values.setdefault("set", run.sets[0] if run.sets and "test" not in run.sets else "test")
    if name not in run.sets:
        raise UsageError(unknown("set", name, run.sets))
    index = run.set(name)
    for field in ("arm", "better", "worse"):
        if field in values and values[field] not in index.arms:
            raise UsageError(unknown(field, values[field], index.arms))
    choices = {"right": tuple(STATES), "hit": ("1", "0"), "flip": ("1",), "differ": ("1",)}
    for field, possible in choices.items():
        if field in values and values[field] not in possible:
            raise UsageError(f"{field} must be {' or '.join(possible)}")
    if "group" in values and values["group"] not in groups_of(index):
        raise UsageError(unknown("group", values["group"], groups_of(index)))
    if len(values.get("q", "")) > LONGEST:
        raise UsageError(f"q must be at most {LONGEST} characters")
    for field, least, most in (("seed", 0, None), ("page", 1, MOST_PAGES), ("size", 1, max(SIZES))):
        if field in values:
            values[field] = _whole(field, values[field], least, most)
    if "seed" in values and values["seed"] not in run.seeds:
        raise UsageError(unknown("seed", str(values["seed"]), map(str, run.seeds)))
    for field in ("arm", "better", "worse"):
        if field in values and not index.arms[values[field]].of(values.get("seed")):
            raise UsageError(f"{field} {values[field]!r} has no seed {values['seed']}")


def _whole(field: str, text: str, least: int, most: int | None) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 10:
        number = int(text)
        if number >= least and (most is None or number <= most):
            return number
    raise UsageError(f"{field} must be a whole number from {least}{'' if most is None else f' to {most}'}")


def groups_of(index: SetIndex) -> Mapping[str, tuple[str, str]]:
    """`NAME:VALUE` -> (name, value) of everything that rows of the set are marked with."""
    return {f"{name}:{value}": (name, value) for name, (values, _) in index.groups.items() for value in values}


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
        if wanted.answer:
            for cell in index.arms[arm].of(seed):
                yield chosen_is(index.parts.column("choices"), cell.chosen, wanted.answer)
    if wanted.hit:
        yield _hit(index, about, seed, int(wanted.hit))
    if wanted.differ:
        yield index.differing(seed)
    if wanted.better:
        yield index.states(wanted.better, seed) == RIGHT
    if wanted.worse:
        yield index.states(wanted.worse, seed) == WRONG
    if wanted.group:
        yield index.in_group(*groups_of(index)[wanted.group])
    yield from _texts(index, wanted)


def _texts(index: SetIndex, wanted: Filter) -> Iterator[Mask]:
    if wanted.cluster:
        yield equal_to(index.parts.column("cluster"), wanted.cluster)
    if wanted.twin:
        yield equal_to(index.parts.column("twin"), wanted.twin)
    if wanted.gold:
        yield chosen_is(index.parts.column("choices"), index.gold, wanted.gold)
    if wanted.q:
        yield index.containing(wanted.q)


def _hit(index: SetIndex, about: Sequence[str], seed: int | None, state: int) -> Mask:
    """Of the arms that read documents; no row where none of them does."""
    cells = [cell.hit for arm in about for cell in index.arms[arm].of(seed) if cell.hit is not None]
    found: Mask = np.all(np.stack(cells) == state, axis=0) if cells else np.zeros(len(index), dtype=bool)
    return found
