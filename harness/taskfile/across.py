"""Faults that only several files together show: values on both sides of a split, ids used twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.taskfile.files import Record
from harness.taskfile.schema import TaskFile
from harness.types import Row

Records = Mapping[str, Sequence[Record]]


def faults_across(
    spec: TaskFile, records: Records, rows: Mapping[str, Sequence[Row]], files: Mapping[str, Path]
) -> Iterator[str]:
    if spec.fields.together:
        yield from _apart(spec.fields.together, records)
    for name, extra in spec.data.extra_tests.items():
        if not isinstance(extra, str) and extra.disjoint_by is not None:
            yield from _overlapping(name, extra.disjoint_by, records)
    if spec.fields.id:
        yield from _asked_twice([*spec.data.extra_tests], rows, files)


def _apart(column: str, records: Records) -> Iterator[str]:
    """Values that must not straddle the splits, but do."""
    seen: dict[Any, tuple[str, str]] = {}
    for name in ("train", "validation", "test"):
        for record in records.get(name, ()):
            value = _hashable(record.values.get(column))
            if value is None:
                continue
            split, place = seen.setdefault(value, (name, record.place))
            if split != name:
                yield f"{record.place}: {column} {value!r} must stay together but is also on {place}"


def _overlapping(name: str, column: str, records: Records) -> Iterator[str]:
    """Rows of an extra test that share a value with rows that are trained on."""
    trained: dict[Any, str] = {}
    for split in ("train", "validation"):
        for record in records.get(split, ()):
            trained.setdefault(_hashable(record.values.get(column)), record.place)
    for record in records.get(name, ()):
        value = _hashable(record.values.get(column))
        if value is None:
            yield f"{record.place}: {name} is disjoint by {column!r}, which is missing"
        elif value in trained:
            yield f"{record.place}: {column} {value!r} is also on {trained[value]}"


def _asked_twice(extra: Sequence[str], rows: Mapping[str, Sequence[Row]], files: Mapping[str, Path]) -> Iterator[str]:
    asked: dict[str, str] = {}
    for name in ("train", "validation", "test", *extra):
        for row in rows.get(name, ()):
            first = asked.setdefault(row.question.id, name)
            if first != name:
                yield f"{files[name].name}: id {row.question.id!r} is also in {files[first].name}"


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)
