"""Parts of the store read by column and by row: of all that a page does not show, only what it is found by is read.

`codec` reads parts whole. It is no place for this: it shapes answers, so that any change there makes them stale.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from harness.errors import StoreError
from harness.stats import Ints
from harness.store import read_part

Mask = npt.NDArray[np.bool_]
HELD_BYTES = 128 * 2**20
"""Decompressed columns of parts that stay in memory: pages of one filter read the same ones again."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts of a question set, or of a cell's answers to it, in their order."""

    root: Path
    names: tuple[str, ...]

    def column(self, name: str) -> Iterator[pa.Array]:
        """One field of every row, part by part."""
        return (_held.get(self.root, part, name) for part in self.names)

    def rows(self, places: Ints, ends: Ints, *fields: str) -> list[dict[str, Any]]:
        """Some fields of the rows at `places` [k], ascending; `ends` [parts] are the first places after each part."""
        found: list[dict[str, Any]] = []
        numbers = np.searchsorted(ends, places, side="right")
        for number in np.unique(numbers):
            start = ends[number - 1] if number else 0
            wanted = _array(places[numbers == number] - start)
            columns = [_held.get(self.root, self.names[number], field).take(wanted).to_pylist() for field in fields]
            found += [dict(zip(fields, row, strict=True)) for row in zip(*columns, strict=True)]
        return found


class _Held:
    """The columns last read, up to `HELD_BYTES`; parts never change, so that none is ever stale."""

    def __init__(self) -> None:
        self.columns: OrderedDict[tuple[Path, str, str], pa.Array] = OrderedDict()
        self.bytes = 0

    def get(self, root: Path, part: str, name: str) -> pa.Array:
        key = (root, part, name)
        if key in self.columns:
            self.columns.move_to_end(key)
            return self.columns[key]
        found = _read(root, part, name)
        self.columns[key] = found
        self.bytes += found.nbytes
        while self.bytes > HELD_BYTES and len(self.columns) > 1:
            _, dropped = self.columns.popitem(last=False)
            self.bytes -= dropped.nbytes
        return found


_held = _Held()


def _read(root: Path, part: str, name: str) -> pa.Array:
    content = read_part(root, part)
    if content is None:
        raise StoreError(f"a part of the store is damaged or gone ({part[:12]}); run the same command again")
    names = pa.ipc.open_file(pa.BufferReader(content)).schema.names
    options = pa.ipc.IpcReadOptions(included_fields=[names.index(name)])
    return pa.ipc.open_file(pa.BufferReader(content), options=options).read_all().column(0).combine_chunks()


def ends_of(parts: Parts, column: str) -> Ints:
    """The first places after each part: [parts]."""
    return np.array(list(itertools.accumulate(len(part) for part in parts.column(column))), dtype=np.int64)


def equal_to(column: Iterator[pa.Array], value: str) -> Mask:
    """Rows whose text is this one: [n]."""
    return np.concatenate([_none(), *(_mask(pc.equal(part, value)) for part in column)])


def containing(column: Iterator[pa.Array], text: str) -> Mask:
    """Rows with a text, of their list of texts, that contains this one in whatever case: [n]."""
    found = [_none()]
    for part in column:
        own = np.zeros(len(part), dtype=bool)
        own[_parents(part)[_mask(pc.match_substring(part.flatten(), text, ignore_case=True))]] = True
        found.append(own)
    return np.concatenate(found)


def chosen_is(column: Iterator[pa.Array], places: npt.NDArray[np.integer[Any]], text: str) -> Mask:
    """Rows of which the text at `places` [n], in their list of texts, is this one: [n]."""
    found, start = [_none()], 0
    for part in column:
        lengths = _numbers(part.value_lengths())
        wanted = np.cumsum(lengths) - lengths + places[start : start + len(part)]
        found.append(_mask(pc.equal(part.flatten().take(_array(wanted)), text)))
        start += len(part)
    return np.concatenate(found)


def place_of_text(column: Iterator[pa.Array], text: str | None) -> Ints:
    """Where this text first is in the rows' lists of texts, -1 in a list without it: [n]."""
    found = [np.empty(0, np.int64)]
    for part in column:
        lengths, own = _numbers(part.value_lengths()), np.full(len(part), -1, dtype=np.int64)
        (places,) = np.nonzero(_mask(pc.equal(part.flatten(), text)))
        rows = _parents(part)[places]
        own[rows[::-1]] = (places - (np.cumsum(lengths) - lengths)[rows])[::-1]
        found.append(own)
    return np.concatenate(found)


def flat(column: Iterator[pa.Array]) -> tuple[npt.NDArray[np.float32], Ints]:
    """The numbers of the rows' lists, one list after another, and how many each has: [n]."""
    parts = list(column)
    numbers = [np.asarray(np.from_dlpack(part.flatten())) for part in parts]
    return np.concatenate(numbers), np.concatenate([_numbers(part.value_lengths()) for part in parts])


def texts(parts: Parts, column: str) -> list[Any]:
    """One field of every row, a text or None."""
    return [text for part in parts.column(column) for text in part.to_pylist()]


def hits(read: Iterator[pa.Array], wanted: Iterator[pa.Array]) -> npt.NDArray[np.int8] | None:
    """1 where a row read one of its wanted documents, 0 where none, -1 where none is named: [n]; None if none read any.

    Both are lists of names, of every row, part by part.
    """
    found, any_read = [np.empty(0, np.int8)], False
    for own, named in zip(read, wanted, strict=True):
        any_read = any_read or len(own.flatten()) > 0
        known = pc.unique(named.flatten())
        keys = [
            _parents(each) * (len(known) + 1) + _numbers(pc.fill_null(pc.index_in(each.flatten(), known), len(known)))
            for each in (own, named)
        ]
        state = np.where(_numbers(named.value_lengths()) > 0, 0, -1).astype(np.int8)
        state[_parents(own)[np.isin(keys[0], keys[1])]] = 1
        found.append(state)
    return np.concatenate(found) if any_read else None


def _parents(lists: pa.Array) -> Ints:
    """The row of every text of the rows' lists."""
    return np.repeat(np.arange(len(lists)), _numbers(lists.value_lengths()))


def _numbers(values: pa.Array) -> Ints:
    """Without `to_numpy`, which would import pandas."""
    return np.asarray(np.from_dlpack(values), dtype=np.int64)


def _array(places: Ints) -> pa.Array:
    values = np.ascontiguousarray(places, dtype=np.int64)
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def _mask(values: pa.Array) -> Mask:
    found = np.zeros(len(values), dtype=bool)
    found[np.asarray(np.from_dlpack(pc.indices_nonzero(values)), dtype=np.int64)] = True
    return found


def _none() -> Mask:
    return np.empty(0, dtype=bool)
