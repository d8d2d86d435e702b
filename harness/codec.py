"""Question sets, documents and answers <-> Arrow bytes: what the parts of the store hold.

Columns are built from buffers: `pyarrow.array` of Python values, and `to_numpy`, would import pandas, which costs
every process of a run half a second. Offsets are 64-bit, so no part is too large for its columns.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from harness.types import Answers, Document, Question, QuestionSet, Row, Text

PART_ROWS = 10_000

_TEXTS = pa.large_list(pa.large_string())
_ROWS = pa.schema(
    [
        ("id", pa.large_string()),
        ("content", _TEXTS),
        ("choices", _TEXTS),
        ("gold", pa.int32()),
        ("cluster", pa.large_string()),
        ("groups", pa.large_string()),
        ("evidence", _TEXTS),
        ("twin", pa.large_string()),
    ]
)
_DOCUMENTS = pa.schema([(name, pa.large_string()) for name in ("id", "title", "text")])
_ANSWERS = pa.schema([("scores", pa.large_list(pa.float32())), ("passages", _TEXTS)])


def encode_rows(rows: Sequence[Row]) -> bytes:
    return _write(
        _ROWS,
        [
            _texts([row.question.id for row in rows]),
            _text_lists([[part.text for part in row.question.content] for row in rows]),
            _text_lists([row.question.choices for row in rows]),
            _numbers(np.array([row.gold for row in rows], dtype=np.int32)),
            _texts([row.cluster for row in rows]),
            _texts([json.dumps(dict(row.groups), sort_keys=True) for row in rows]),
            _text_lists([row.evidence for row in rows]),
            _texts([row.twin for row in rows]),
        ],
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
    columns = [[getattr(document, name) for document in documents] for name in _DOCUMENTS.names]
    return _write(_DOCUMENTS, [_texts(column) for column in columns])


def decode_documents(parts: Sequence[bytes]) -> tuple[Document, ...]:
    return tuple(Document(**values) for part in parts for values in _read(part).to_pylist())


def encode_answers(answers: Answers) -> bytes:
    passages = answers.passages or ((),) * len(answers.scores)
    flat = np.concatenate([*answers.scores, np.empty(0, np.float32)]).astype(np.float32)
    scores = _lists(_numbers(flat), [len(row) for row in answers.scores])
    return _write(_ANSWERS, [scores, _text_lists(passages)])


def decode_answers(parts: Sequence[bytes]) -> Answers:
    scores: list[Any] = []
    passages: list[tuple[str, ...]] = []
    for part in parts:
        table = _read(part)
        column = table.column("scores").combine_chunks()
        flat, lengths = np.from_dlpack(column.flatten()), np.from_dlpack(column.value_lengths())
        scores += np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []
        passages += [tuple(names) for names in table.column("passages").to_pylist()]
    return Answers(tuple(scores), tuple(passages))


def _texts(values: Sequence[str | None]) -> pa.Array:
    encoded = [b"" if value is None else value.encode() for value in values]
    known = np.packbits(np.array([value is not None for value in values], dtype=bool), bitorder="little")
    buffers = [known, _offsets(list(map(len, encoded))), b"".join(encoded)]
    return pa.Array.from_buffers(pa.large_string(), len(encoded), [pa.py_buffer(buffer) for buffer in buffers])


def _numbers(values: npt.NDArray[Any]) -> pa.Array:
    return pa.Array.from_buffers(pa.from_numpy_dtype(values.dtype), len(values), [None, pa.py_buffer(values)])


def _lists(values: pa.Array, lengths: Sequence[int]) -> pa.Array:
    buffers = [None, pa.py_buffer(_offsets(lengths))]
    return pa.Array.from_buffers(pa.large_list(values.type), len(lengths), buffers, children=[values])


def _text_lists(lists: Sequence[Sequence[str]]) -> pa.Array:
    return _lists(_texts([text for texts in lists for text in texts]), list(map(len, lists)))


def _offsets(lengths: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64)


def _write(schema: pa.Schema, columns: Sequence[pa.Array]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
        writer.write_table(pa.Table.from_arrays(list(columns), schema=schema))
    return bytes(sink.getvalue())


def _read(content: bytes) -> pa.Table:
    return pa.ipc.open_file(pa.BufferReader(content)).read_all()
