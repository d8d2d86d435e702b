"""Faults that only several rows together show: values on both sides of a split, ids used twice, unlike twins."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from harness.kinds import shown
from harness.taskfile.rows import Placed
from harness.taskfile.schema import TaskFile

Sets = Mapping[str, Iterable[Placed]]


def faults_across(spec: TaskFile, sets: Sets) -> Iterator[str]:
    splits = ("train", "validation", "test", *spec.data.extra_tests)
    if spec.fields.id:
        yield from _same_ids(splits, sets)
        yield from _same_ids(("twins",), sets)
    if spec.fields.together:
        yield from _apart(spec.fields.together, splits, sets)
    for name, column in spec.disjoint_by.items():
        yield from _overlapping(name, column, sets)
    yield from _unlike_twins(sets.get("twins", ()))


def _same_ids(names: Sequence[str], sets: Sets) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name in names:
        for each in sets.get(name, ()):
            first = seen.setdefault(each.row.question.id, each.place)
            if first != each.place:
                yield f"{each.place}: id {shown(each.row.question.id)} is also on {first}"


def _apart(column: str, splits: Sequence[str], sets: Sets) -> Iterator[str]:
    """Values that must not straddle the splits, but do."""
    seen: dict[str, tuple[str, str]] = {}
    for name in splits:
        for each in sets.get(name, ()):
            if each.together is None:
                continue
            split, place = seen.setdefault(each.together, (name, each.place))
            if split != name:
                yield f"{each.place}: {column} {shown(each.together)} must stay together but is also on {place}"


def _overlapping(name: str, column: str, sets: Sets) -> Iterator[str]:
    """Rows of an extra test that share a value with rows that are trained on."""
    trained: dict[str, str] = {}
    for split in ("train", "validation"):
        for each in sets.get(split, ()):
            trained.setdefault(each.disjoint[column], each.place)
    for each in sets.get(name, ()):
        value = each.disjoint[column]
        if value in trained:
            yield f"{each.place}: {column} {shown(value)} is also on {trained[value]}"


def _unlike_twins(twins: Iterable[Placed]) -> Iterator[str]:
    """Twins whose answers cannot be compared by their position."""
    seen: dict[str, Placed] = {}
    for each in twins:
        if each.row.twin is None:
            continue
        first = seen.setdefault(each.row.twin, each)
        if first.row.question.choices != each.row.question.choices:
            yield (
                f"{each.place}: its choices differ from those of its twin on {first.place}; "
                "twins list the same choices in the same order"
            )
