"""Which rows: the query of a page, checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from harness.errors import UsageError, unknown
from harness.view.index import SetIndex
from harness.view.runs import RunView

SIZES = (10, 20, 50)
LONGEST = 500
"""Characters of a text to search for."""
MOST = 10**9
CHOICES = {
    "right": ("1", "0", "mixed"),
    "hit": ("1", "0", "known"),
    "flip": ("1",),
    "twins": ("1",),
    "differ": ("1",),
    "answerable": ("1", "0"),
    "abstained": ("1", "0"),
    "timed": ("1",),
    "gap": ("1",),
    "excess": ("1",),
}
ABOUT_AN_ARM = ("versus", "bin", "surest")
"""Without `arm` they say nothing."""
GAP, EXCESS = ("train_sample", "test"), ("twins", "within_twins")
"""The two sets that a figure is of."""


@dataclass(frozen=True, slots=True)
class Filter:
    """All conditions hold at once. Where several seeds are looked at, right and wrong are of every one of them."""

    set: str = "test"
    seed: int | None = None
    """Looked at alone; without it, all seeds of an arm."""
    arm: str | None = None
    """Whom `right`, `hit`, `flip`, `abstained` and `answer` are about; without it, about every arm."""
    right: str | None = None
    """`1` right, `0` wrong, `mixed` where seeds differ."""
    hit: str | None = None
    """`1`: a document that holds the answer was read; `0`: none of those was; `known`: the task names one."""
    flip: str | None = None
    """`1`: twins of it are answered otherwise."""
    twins: str | None = None
    """`1`: it has a twin."""
    differ: str | None = None
    """`1`: some arm is right and another is not."""
    better: str | None = None
    """An arm that is right."""
    worse: str | None = None
    """An arm that is wrong."""
    versus: str | None = None
    """An arm that is not right by as many seeds as `arm` is."""
    group: tuple[str, ...] = ()
    """`NAME:VALUE`; of several, any."""
    marked: str | None = None
    """The NAME of a group: rows that have any value of it."""
    cluster: str | None = None
    twin: str | None = None
    gold: str | None = None
    """Text of the gold answer."""
    answer: str | None = None
    """Text of the answer given."""
    answerable: str | None = None
    """Of rows that offer an answer that abstains: `0`: it is the right one, `1`: another is."""
    abstained: str | None = None
    """Of the same rows: `1`: that answer was given, `0`: another."""
    bin: int | None = None
    """Of `arm`'s bins of calibration from 1, the least sure: some seed's answer is in it."""
    surest: int | None = None
    """Some seed of `arm` is so sure of its answer that only so many of its answers are surer, or as sure and before."""
    timed: str | None = None
    """`1`: it was also asked alone, and timed."""
    gap: str | None = None
    """`1`: it counts for the overfitting gap."""
    excess: str | None = None
    """`1`: its question is asked about as many people of one group as of several."""
    q: str | None = None
    """Part of the question's text, in whatever case, or its whole id."""
    page: int = 1
    size: int = 20

    def query(self, **changes: Any) -> dict[str, Any]:
        """What an address names: all that is not as it would be without it. Another filter begins at its first page."""
        given = asdict(replace(self, page=1, **changes) if "page" not in changes else replace(self, **changes))
        return {each.name: given[each.name] for each in fields(self) if given[each.name] != each.default}

    def conditions(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Those that leave rows out: name, value, and the query without it."""
        found = []
        for name, value in self.query().items():
            if name == "group":
                rest = [(each, tuple(other for other in value if other != each)) for each in value]
                found += [(name, each, self.query(group=left)) for each, left in rest]
            elif name not in ("set", "seed", "size"):
                found.append((name, str(value), self.query(**{name: None})))
        return found

    @property
    def counted(self) -> Filter:
        """The rows of which those that are left are a share."""
        hit, twins = "known" if self.hit else None, "1" if self.flip else self.twins
        return replace(self, right=None, flip=None, abstained=None, versus=None, hit=hit, twins=twins)


def read_filter(given: Sequence[tuple[str, str]], run: RunView) -> Filter:
    """Raises `UsageError` for what is no filter of this run; what is empty, as a form leaves it, is not given."""
    known = {each.name for each in fields(Filter)}
    values: dict[str, Any] = {}
    for name, value in given:
        if name not in known:
            raise UsageError(unknown("parameter", name, known))
        if name in values and name != "group":
            raise UsageError(f"{name} is given twice")
        if value:
            values[name] = (*values.get(name, ()), value) if name == "group" else value
    _check(values, run)
    return Filter(**values)


def _check(values: dict[str, Any], run: RunView) -> None:
    name = values.setdefault("set", run.sets[0] if run.sets and "test" not in run.sets else "test")
    if name not in run.sets:
        raise UsageError(unknown("set", name, run.sets))
    index = run.set(name)
    for field in ("arm", "better", "worse", "versus"):
        if field in values and values[field] not in index.arms:
            raise UsageError(unknown(field, values[field], index.arms))
    for field, possible in CHOICES.items():
        if field in values and values[field] not in possible:
            raise UsageError(f"{field} must be {' or '.join(possible)}")
    for value in values.get("group", ()):
        if value not in groups_of(index):
            raise UsageError(unknown("group", value, groups_of(index)))
    if "marked" in values and values["marked"] not in index.groups:
        raise UsageError(unknown("group", values["marked"], index.groups))
    if len(values.get("q", "")) > LONGEST:
        raise UsageError(f"q must be at most {LONGEST} characters")
    for field, least, most in (
        *(("seed", 0, None), ("page", 1, MOST), ("size", 1, max(SIZES))),
        *(("bin", 1, MOST), ("surest", 1, MOST)),
    ):
        if field in values:
            values[field] = _whole(field, values[field], least, most)
    if "seed" in values and values["seed"] not in run.seeds:
        raise UsageError(unknown("seed", str(values["seed"]), map(str, run.seeds)))
    for field in ("arm", "better", "worse", "versus"):
        if field in values and not index.arms[values[field]].of(values.get("seed")):
            raise UsageError(f"{field} {values[field]!r} has no seed {values['seed']}")
    _check_company(values, index)


def _check_company(values: Mapping[str, Any], index: SetIndex) -> None:
    """What goes with what."""
    for field in ABOUT_AN_ARM:
        if field in values and "arm" not in values:
            raise UsageError(f"{field} needs an arm that it is about")
    if "bin" in values and any(cell.scores_only_rank for cell in index.arms[values["arm"]].of(values.get("seed"))):
        raise UsageError(f"scores of {values['arm']!r} are no probabilities, so that it has no bins of calibration")
    for field, sets in (("gap", GAP), ("excess", EXCESS)):
        if field in values and not (index.name in sets and set(sets) <= set(index.beside)):
            raise UsageError(f"{field} is about the sets {' and '.join(sets)}, where there are both")


def _whole(field: str, text: str, least: int, most: int | None) -> int:
    if text.isascii() and text.isdecimal() and len(text) <= 10:
        number = int(text)
        if number >= least and (most is None or number <= most):
            return number
    raise UsageError(f"{field} must be a whole number from {least}{'' if most is None else f' to {most}'}")


def groups_of(index: SetIndex) -> Mapping[str, tuple[str, str]]:
    """`NAME:VALUE` -> (name, value) of everything that rows of the set are marked with."""
    return {f"{name}:{value}": (name, value) for name, (values, _) in index.groups.items() for value in values}
