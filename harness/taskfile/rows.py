"""One record of a data file -> a `Row` with its place, and rows -> question sets."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from harness.codec import packed
from harness.keys import digest, digest_all
from harness.kinds import KINDS, RowFault, UnknownLabel, shown, what
from harness.taskfile.columns import listed, of_each_row
from harness.taskfile.files import Record
from harness.taskfile.schema import TaskFile
from harness.types import Question, QuestionSet, Row, Text

VALIDATION_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Placed:
    """A row, where it stands, and the values that tie it to other rows."""

    row: Row
    source: str
    number: int
    together: str | None = None
    disjoint: Mapping[str, str] = field(default_factory=dict)
    """Column of a `disjoint_by` -> value."""

    @property
    def place(self) -> str:
        return f"{self.source}{self.number}"


class BlankQuestion(RowFault):
    """A row that asks nothing."""


@dataclass(frozen=True, slots=True)
class Blank:
    """What is known of a row that asks nothing."""

    id: str
    number: int
    together: str | None
    twin: str | None


class PlacedRows:
    """The rows of one set, packed where they are many, and by column what else is known of them."""

    def __init__(self, placed: Iterable[Placed]) -> None:
        self._source = ""
        self._numbers = array("Q")
        self._together: list[str | None] = []
        self._disjoint: list[Mapping[str, str]] = []
        self.rows = packed(map(self._noted, placed))

    def _noted(self, each: Placed) -> Row:
        self._source = each.source
        self._numbers.append(each.number)
        if each.together is not None:
            self._together += [None] * (len(self._numbers) - 1 - len(self._together))
            self._together.append(each.together)
        if each.disjoint:
            self._disjoint.append(each.disjoint)
        return each.row

    def __iter__(self) -> Iterator[Placed]:
        columns = zip_longest(self.rows, self._numbers, self._together, self._disjoint or ())
        for row, number, together, disjoint in columns:
            yield Placed(row, self._source, number, together, disjoint or {})


@dataclass(frozen=True, slots=True)
class Labels:
    names: tuple[str, ...] = ()
    described: tuple[str, ...] = ()
    learnt_from: str | None = None
    """What the names were collected from; None if `[labels]` lists them."""


class RowReader:
    """Reads the records of one question set."""

    def __init__(self, spec: TaskFile, labels: Labels, documents: frozenset[str] | None, set_name: str) -> None:
        self.spec, self.labels, self.documents, self.set_name = spec, labels, documents, set_name
        self.kind = KINDS[spec.kind]
        self.columns = of_each_row(spec, set_name)
        self.disjoint = [
            (test, column) for test, column in spec.disjoint_by.items() if set_name in (test, "train", "validation")
        ]

    def read(self, record: Record, default_id: str) -> Placed:
        """Raises `RowFault`."""
        values, fields = record.values, self.spec.fields
        for column in self.columns:
            if column not in values:
                raise RowFault(f"column {shown(column)} is missing; the row has {listed([*values])}")
        columns = [fields.question] if isinstance(fields.question, str) else fields.question
        content = tuple(Text(_text(values, column, BlankQuestion)) for column in columns)
        choices, gold = self._choices(record)
        name = _text(values, fields.id) if fields.id else default_id
        cluster = _text(values, fields.cluster) if fields.cluster else name
        evidence = _strings(fields.evidence, values.get(fields.evidence)) if fields.evidence else ()
        if self.documents is not None:
            for document in evidence:
                if document not in self.documents:
                    raise RowFault(f"evidence {shown(document)} is not a document")
        found = {group: _scalar(values, group) for group in self.spec.bias.groups}
        groups = {group: value for group, value in found.items() if value is not None}
        twin = _text(values, self.spec.bias.twins) if self.set_name == "twins" and self.spec.bias.twins else None
        together = _scalar(values, fields.together) if fields.together else None
        row = Row(Question(name, content, choices), gold, cluster, groups, evidence, twin)
        return Placed(row, record.source, record.number, together, self._disjoint(values))

    def blank(self, record: Record, default_id: str) -> Blank:
        fields, twins = self.spec.fields, self.spec.bias.twins if self.set_name == "twins" else None
        name, together, twin = (_known(record.values, column) for column in (fields.id, fields.together, twins))
        return Blank(name or default_id, record.number, together, twin)

    def _choices(self, record: Record) -> tuple[tuple[str, ...], int]:
        fields = self.spec.fields
        columns = fields.choices or ()
        choices = self.labels.described if self.kind.has_labels else self.kind.read_choices(record.values, columns)
        among = self.labels.names if self.kind.has_labels else choices
        try:
            gold = self.kind.read_answer(record.values, fields.answer, among, columns, record.only_text)
        except UnknownLabel:
            if self.labels.learnt_from is None:
                raise
            answer = shown(str(record.values[fields.answer]))
            where = f"occurs in no {self.labels.learnt_from} row; list it under [labels] if it is meant"
            raise RowFault(f"{fields.answer} {answer} {where}") from None
        return choices, gold

    def _disjoint(self, values: Mapping[str, Any]) -> dict[str, str]:
        found = {}
        for test, column in self.disjoint:
            value = _scalar(values, column)
            if value is None:
                raise RowFault(f"{column} is empty, but {test} must be disjoint by it")
            found[column] = value
        return found


def _text(values: Mapping[str, Any], column: str, blank: type[RowFault] = RowFault) -> str:
    value = values[column]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowFault(f"{column} must be text, got {what(value)}")
    if not str(value).strip():
        raise blank(f"{column} is empty")
    return str(value)


def _scalar(values: Mapping[str, Any], column: str) -> str | None:
    """A value that rows may share, as text, so that 1, '1' and 1.0 are the same; None if empty."""
    value = values.get(column)
    if value is None or value != value:  # NaN: how pandas writes an empty cell
        return None
    if not isinstance(value, str | int | float):
        raise RowFault(f"{column} must be text, got {what(value)}")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if str(value).strip() else None


def _known(values: Mapping[str, Any], column: str | None) -> str | None:
    return None if column is None else _scalar(values, column)


def _strings(column: str, value: Any) -> tuple[str, ...]:
    if value is None or value != value or value == "":
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise RowFault(f"{column} must be a document's id (text) or a list of them, got {shown(value)}")


def held_out(rows: Iterable[Placed]) -> tuple[Sequence[Row], Sequence[Row]]:
    """Train and validation by all that hangs together, over clusters and `together` values alike.

    In an order that depends only on the names of the clusters.
    """
    parts = _components(rows)
    names = sorted(set(parts.values()), key=lambda name: digest(name))
    held = set(names[: max(1, round(VALIDATION_SHARE * len(names)))]) if len(names) > 1 else set()
    return (
        packed(each.row for each in rows if parts[each.row.cluster] not in held),
        packed(each.row for each in rows if parts[each.row.cluster] in held),
    )


def _components(rows: Iterable[Placed]) -> dict[str, str]:
    """Cluster -> the least name among the clusters that it is tied to, itself included."""
    clusters: dict[str, set[str]] = defaultdict(set)  # together value -> clusters
    values: dict[str, set[str]] = defaultdict(set)  # cluster -> together values
    for each in rows:
        if each.together is not None:
            clusters[each.together].add(each.row.cluster)
            values[each.row.cluster].add(each.together)
    found: dict[str, str] = {}
    for least in sorted({each.row.cluster for each in rows}):
        reached = [] if least in found else [least]
        while reached:
            cluster = reached.pop()
            found[cluster] = least
            for value in values.pop(cluster, ()):
                reached += [other for other in clusters.pop(value, ()) if other not in found]
    return found


def question_set(name: str, rows: Sequence[Row]) -> QuestionSet:
    return QuestionSet(name, rows, set_fingerprint(rows))


def set_fingerprint(rows: Iterable[Row]) -> str:
    """Hash of everything in the rows, in order."""
    return digest_all(
        (
            row.question.id,
            [part.text for part in row.question.content],
            row.question.choices,
            row.gold,
            row.cluster,
            dict(row.groups),
            row.evidence,
            row.twin,
        )
        for row in rows
    )
