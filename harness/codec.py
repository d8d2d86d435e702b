"""Question sets, documents and answers <-> Arrow bytes: what the parts of the store hold.

Columns are built from buffers: `pyarrow.array` of Python values, and `to_numpy`, would import pandas, which costs
every process of a run half a second. Offsets are 64-bit, so no part is too large for its columns.

Python objects take five to ten times the room of the same rows as bytes. What fills one part is held as objects; more
is held as its parts and decoded one part at a time (`Packed`).
"""

from __future__ import annotations

import bisect
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Generic, TypeVar, overload

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


T = TypeVar("T")


class Packed(Sequence[T], Generic[T]):
    """What parts hold, in order; the part last read stays decoded."""

    def __init__(self, parts: Sequence[bytes], decode: Callable[[bytes], Sequence[T]]) -> None:
        self.parts, self._decode = parts, decode
        self._ends = list(itertools.accumulate(_length(part) for part in parts))
        self._held: tuple[int, Sequence[T]] = (-1, ())

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __iter__(self) -> Iterator[T]:
        for number in range(len(self.parts)):
            yield from self._part(number)

    @overload
    def __getitem__(self, place: int) -> T: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[T, ...]: ...
    def __getitem__(self, place: int | slice) -> T | tuple[T, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        number = range(len(self))[place]
        part = bisect.bisect_right(self._ends, number)
        return self._part(part)[number - self._ends[part]]

    def _part(self, number: int) -> Sequence[T]:
        if self._held[0] != number:
            self._held = (number, self._decode(self.parts[number]))
        return self._held[1]


def packed(rows: Iterable[Row]) -> Sequence[Row]:
    """Rows as they come, where one part holds them all; else as parts."""
    parts: list[bytes] = []
    held: list[Row] = []
    for row in rows:
        if len(held) == PART_ROWS:
            parts.append(encode_rows(held))
            held = []
        held.append(row)
    return Packed([*parts, encode_rows(held)], decoded_rows) if parts else tuple(held)


def row_parts(rows: Sequence[Row]) -> Iterator[bytes]:
    """What a store keeps of them: parts of `PART_ROWS` rows."""
    if isinstance(rows, Packed):
        yield from rows.parts
        return
    for start in range(0, len(rows), PART_ROWS):
        yield encode_rows(rows[start : start + PART_ROWS])


def decode_rows(name: str, fingerprint: str, parts: Sequence[bytes]) -> QuestionSet:
    rows = decoded_rows(parts[0]) if len(parts) == 1 else Packed(parts, decoded_rows)
    return QuestionSet(name, rows, fingerprint)


def decoded_rows(part: bytes) -> tuple[Row, ...]:
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    rows = []
    columns = [column.to_pylist() for column in _read(part).columns]
    for id, content, choices, gold, cluster, groups, evidence, twin in zip(*columns, strict=True):
        offered = tuple(choices)
        question = Question(id, tuple(map(Text, content)), shared.setdefault(offered, offered))
        rows.append(Row(question, gold, cluster, _groups(groups), tuple(evidence), twin))
    return tuple(rows)


def column(rows: Sequence[Row], name: str) -> list[Any]:
    """One field of every row (`gold`, `cluster`, `groups`, `evidence` or `twin`); if packed, nothing else is read."""
    if not isinstance(rows, Packed):
        return [getattr(row, name) for row in rows]
    converts: dict[str, Callable[[Any], Any]] = {"groups": _groups, "evidence": tuple}
    convert = converts.get(name)
    found: list[Any] = []
    for part in rows.parts:
        values = _read(part, name).column(0).to_pylist()
        found += map(convert, values) if convert else values
    return found


@lru_cache(maxsize=1024)
def _groups(text: str) -> dict[str, str]:
    """Few combinations of groups occur: rows share them."""
    found: dict[str, str] = json.loads(text)
    return found


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


class Ragged(Sequence[npt.NDArray[np.float32]]):
    """Rows of unlike lengths, one after another in one array: [n] views of `flat`, each up to its end."""

    def __init__(self, flat: npt.NDArray[np.float32], lengths: npt.NDArray[np.int64]) -> None:
        self.flat, self.lengths, self._ends = flat, lengths, np.cumsum(lengths)

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, place: int) -> npt.NDArray[np.float32]: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[npt.NDArray[np.float32], ...]: ...
    def __getitem__(self, place: int | slice) -> npt.NDArray[np.float32] | tuple[npt.NDArray[np.float32], ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(*place.indices(len(self))))
        end = self._ends[place]
        return self.flat[end - self.lengths[place] : end]

    def best(self) -> npt.NDArray[np.int64]:
        """Where each row is greatest, the first such place; as `argmax` of each."""
        starts = self._ends - self.lengths
        highest = np.repeat(np.maximum.reduceat(self.flat, starts), self.lengths)
        place = np.arange(len(self.flat))
        found: npt.NDArray[np.int64] = np.minimum.reduceat(np.where(self.flat == highest, place, len(place)), starts)
        return found - starts


def chosen(scores: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.int64]:
    """The answer to each question: [n]."""
    if isinstance(scores, Ragged) and len(scores):
        return scores.best()
    return np.array([row.argmax() for row in scores], dtype=np.int64)


def flattened(scores: Sequence[npt.NDArray[np.float32]]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Scores of all choices, one question after another, and how many choices each question has: [n]."""
    if isinstance(scores, Ragged):
        return scores.flat, scores.lengths
    return np.concatenate([*scores, np.empty(0, np.float32)]), np.array([len(row) for row in scores], dtype=np.int64)


def decode_answers(parts: Sequence[bytes]) -> Answers:
    flat: list[npt.NDArray[np.float32]] = []
    lengths: list[npt.NDArray[np.int64]] = []
    read = False
    for part in parts:
        table = _read(part)
        scores, passages = (table.column(name).combine_chunks() for name in _ANSWERS.names)
        flat.append(np.asarray(np.from_dlpack(scores.flatten()), dtype=np.float32))
        lengths.append(np.asarray(np.from_dlpack(scores.value_lengths()), dtype=np.int64))
        read = read or len(passages.flatten()) > 0
    none = np.empty(0, np.float32), np.empty(0, np.int64)
    ragged = Ragged(np.concatenate([none[0], *flat]), np.concatenate([none[1], *lengths]))
    return Answers(ragged, Packed(parts, _passages) if read else ())


def read_answers(part: bytes) -> Answers:
    """Those of one part that somebody else made; raises `ValueError` for what is no sound part of answers."""
    try:
        table = _read(part)
        if not table.schema.equals(_ANSWERS):
            raise ValueError("it has other columns than answers have")
        table.validate(full=True)
        return decode_answers([part])
    except (pa.ArrowException, OSError) as error:
        raise ValueError(str(error)) from None


def _passages(part: bytes) -> list[tuple[str, ...]]:
    return [tuple(names) for names in _read(part, "passages").column(0).to_pylist()]


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


def _read(content: bytes, *columns: str) -> pa.Table:
    """All columns, or those that are named; others are not even decompressed."""
    source = pa.BufferReader(content)
    if columns:
        names = pa.ipc.open_file(source).schema.names
        options = pa.ipc.IpcReadOptions(included_fields=[names.index(column) for column in columns])
        return pa.ipc.open_file(source, options=options).read_all()
    return pa.ipc.open_file(source).read_all()


def _length(content: bytes) -> int:
    """Rows of a part, told by the smallest of its columns."""
    names = pa.ipc.open_file(pa.BufferReader(content)).schema.names
    return int(_read(content, "gold" if "gold" in names else names[0]).num_rows)
