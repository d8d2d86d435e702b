"""One record of a data file -> a `Row`, and rows -> question sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.keys import digest, digest_all
from harness.kinds import KindSpec, RowFault
from harness.taskfile.files import Record
from harness.taskfile.schema import TaskFile
from harness.types import Question, QuestionSet, Row, Text

VALIDATION_SHARE = 0.1


def read_row(
    spec: TaskFile,
    kind: KindSpec,
    labels: tuple[str, ...],
    described: tuple[str, ...],
    record: Record,
    default_id: str,
    documents: set[str] | None,
    set_name: str,
) -> Row:
    values, fields = record.values, spec.fields
    columns = [fields.question] if isinstance(fields.question, str) else fields.question
    content = tuple(Text(_text(values, column)) for column in columns)
    choices = described if kind.has_labels else kind.read_choices(values, fields.choices or "")
    gold = kind.read_answer(values, fields.answer, labels if kind.has_labels else choices)
    name = _text(values, fields.id) if fields.id else default_id
    cluster = _text(values, fields.cluster) if fields.cluster else name
    evidence = _strings(values.get(fields.evidence)) if fields.evidence else ()
    if documents is not None:
        for document in evidence:
            if document not in documents:
                raise RowFault(f"evidence {document!r} is not a document")
    groups = {group: str(values[group]) for group in spec.bias.groups if values.get(group) not in (None, "")}
    twin = None
    if set_name == "twins" and spec.bias.twins:
        twin = _text(values, spec.bias.twins)
    return Row(Question(name, content, choices), gold, cluster, groups, evidence, twin)


def _text(values: Mapping[str, Any], column: str) -> str:
    if column not in values:
        raise RowFault(f"column {column!r} is missing; the row has {', '.join(map(str, values))}")
    value = values[column]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowFault(f"{column} must be text, got {type(value).__name__}")
    if not str(value).strip():
        raise RowFault(f"{column} is empty")
    return str(value)


def _strings(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise RowFault(f"evidence must be a document id or a list of them, got {value!r}")


def held_out(rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Train and validation by whole clusters, in an order that depends only on the cluster's name."""
    clusters = sorted({row.cluster for row in rows}, key=lambda cluster: digest(cluster))
    held = set(clusters[: max(1, round(VALIDATION_SHARE * len(clusters)))]) if len(clusters) > 1 else set()
    return (
        tuple(row for row in rows if row.cluster not in held),
        tuple(row for row in rows if row.cluster in held),
    )


def question_set(name: str, rows: tuple[Row, ...]) -> QuestionSet:
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
