"""Question sets, documents and answers <-> Arrow bytes: what the parts of the store hold."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from harness.types import Answers, Document, Question, QuestionSet, Row, Text

PART_ROWS = 10_000

_ROWS = pa.schema(
    [
        ("id", pa.string()),
        ("content", pa.list_(pa.string())),
        ("choices", pa.list_(pa.string())),
        ("gold", pa.int32()),
        ("cluster", pa.string()),
        ("groups", pa.string()),
        ("evidence", pa.list_(pa.string())),
        ("twin", pa.string()),
    ]
)
_DOCUMENTS = pa.schema([("id", pa.string()), ("title", pa.string()), ("text", pa.string())])
_ANSWERS = pa.schema([("scores", pa.list_(pa.float32())), ("passages", pa.list_(pa.string()))])


def encode_rows(rows: Sequence[Row]) -> bytes:
    return _write(
        _ROWS,
        {
            "id": [row.question.id for row in rows],
            "content": [[part.text for part in row.question.content] for row in rows],
            "choices": [row.question.choices for row in rows],
            "gold": [row.gold for row in rows],
            "cluster": [row.cluster for row in rows],
            "groups": [json.dumps(dict(row.groups), sort_keys=True) for row in rows],
            "evidence": [row.evidence for row in rows],
            "twin": [row.twin for row in rows],
        },
    )


def decode_rows(name: str, fingerprint: str, parts: Sequence[bytes]) -> QuestionSet:
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    rows = []
    for part in parts:
        for values in _read(part).to_pylist():
            choices = tuple(values["choices"])
            question = Question(
                values["id"],
                tuple(Text(text) for text in values["content"]),
                shared.setdefault(choices, choices),
            )
            rows.append(
                Row(
                    question,
                    values["gold"],
                    values["cluster"],
                    json.loads(values["groups"]),
                    tuple(values["evidence"]),
                    values["twin"],
                )
            )
    return QuestionSet(name, tuple(rows), fingerprint)


def encode_documents(documents: Sequence[Document]) -> bytes:
    return _write(
        _DOCUMENTS,
        {
            "id": [document.id for document in documents],
            "title": [document.title for document in documents],
            "text": [document.text for document in documents],
        },
    )


def decode_documents(parts: Sequence[bytes]) -> tuple[Document, ...]:
    return tuple(Document(**values) for part in parts for values in _read(part).to_pylist())


def encode_answers(answers: Answers) -> bytes:
    passages = answers.passages or ((),) * len(answers.scores)
    return _write(_ANSWERS, {"scores": list(answers.scores), "passages": passages})


def decode_answers(parts: Sequence[bytes]) -> Answers:
    scores: list[Any] = []
    passages: list[tuple[str, ...]] = []
    for part in parts:
        table = _read(part)
        column = table.column("scores").combine_chunks()
        flat = column.flatten().to_numpy(zero_copy_only=False).astype(np.float32)
        lengths = column.value_lengths().to_numpy(zero_copy_only=False)
        scores += np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
        passages += [tuple(names) for names in table.column("passages").to_pylist()]
    return Answers(tuple(scores), tuple(passages))


def _write(schema: pa.Schema, columns: Mapping[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(pa.Table.from_pydict(dict(columns), schema=schema))
    return bytes(sink.getvalue())


def _read(content: bytes) -> pa.Table:
    return pa.ipc.open_file(pa.BufferReader(content)).read_all()
