"""Data files -> tables of records with their place (`file:line`), for JSONL, CSV, TSV and Parquet.

A fault never stops the reading: it is collected, so that one look shows everything that is wrong. Records are read anew
each time they are asked for: a million of them take gigabytes, and seconds to read.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from harness.kinds import shown, what

SEPARATED = (".csv", ".tsv")
SUFFIXES = (".jsonl", *SEPARATED, ".parquet")
MAX_LINE_CHARS = 1_000_000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Record:
    source: str
    """What its place begins with: `file:` or `file:row `."""
    number: int
    values: dict[str, Any]
    only_text: bool = False
    """Whether every value is text because the file has no other type (CSV, TSV)."""

    @property
    def place(self) -> str:
        return f"{self.source}{self.number}"


@dataclass(frozen=True, slots=True)
class Table:
    name: str
    place: str
    records: Iterable[Record]
    count: int
    """Of the records."""
    columns: tuple[str, ...]
    """All that the source has, read or not."""
    whole: bool
    """False if anything of the source could not be read: then absence proves nothing."""
    only_text: bool = False
    """Whether the source has no type but text."""


def confined(root: Path, name: str) -> Path:
    """The file `name` below `root`; ValueError for anything that would leave it."""
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{shown(name)} must be a plain path below {root.name}/ (no '..', not absolute)")
    try:
        path = (root / name).resolve()
        if not path.is_relative_to(root.resolve()):
            raise ValueError(f"{shown(name)} is a link that leaves {root.name}/")
        if not path.exists():
            raise ValueError(f"{shown(name)} does not exist in {root}")
        if not path.is_file():
            raise ValueError(f"{shown(name)} is not a regular file")
    except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
        raise ValueError(f"{shown(name)}: {getattr(error, 'strerror', None) or error}") from None
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{shown(name)} must end in one of {', '.join(SUFFIXES)}")
    return path


@dataclass(frozen=True, slots=True)
class _File:
    """The records of a file; its faults are told whenever it is read."""

    path: Path
    header: Sequence[str]
    wanted: Collection[str]
    columns: dict[str, None]
    faults: list[str]

    def __iter__(self) -> Iterator[Record]:
        path, faults = self.path, self.faults
        if path.suffix == ".parquet":
            yield from _parquet(path, self.wanted, self.columns, faults)
            return
        try:
            if not _is_utf8(path, faults):
                return
            with path.open(encoding="utf-8-sig", newline="\n" if path.suffix == ".jsonl" else "") as file:
                if path.suffix == ".jsonl":
                    yield from _jsonl(path.name, file, self.columns, faults)
                else:
                    yield from _separated(path, file, self.header, self.columns, faults)
        except OSError as error:
            faults.append(f"{path.name}:1: cannot be read: {error.strerror or error}")


def read(path: Path, header: Sequence[str], wanted: Collection[str], faults: list[str]) -> Table:
    """One file whole. `header` names the columns of a CSV or TSV without a header line; of Parquet, which may
    hold types that nothing here can read, only the columns in `wanted` are read."""
    before = len(faults)
    file = _File(path, header, wanted, {}, faults)
    count = sum(1 for _ in file)
    whole = len(faults) == before
    return Table(path.name, f"{path.name}:1", file, count, tuple(file.columns), whole, path.suffix in SEPARATED)


def _is_utf8(path: Path, faults: list[str]) -> bool:
    """Looked at first, so that a file in another encoding is that one fault and no other."""
    position = 0
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            try:
                line.decode()
            except UnicodeDecodeError as error:
                byte = position + error.start
                faults.append(f"{path.name}:{number}: not UTF-8 (byte {byte}); save the file as UTF-8")
                return False
            position += len(line)
    return True


def _jsonl(name: str, lines: TextIO, columns: dict[str, None], faults: list[str]) -> Iterator[Record]:
    source = f"{name}:"
    for number, text in enumerate(lines, 1):
        line = text.removesuffix("\n")
        if not line.strip():
            continue
        place = f"{source}{number}"
        if len(line) > MAX_LINE_CHARS:
            faults.append(f"{place}: line of {len(line):,} characters; at most {MAX_LINE_CHARS:,}")
            continue
        try:
            values = _DECODER.decode(line)
            split = _SURROGATE.search(line) is not None and not _is_text(values)
        except (ValueError, RecursionError) as error:
            faults.append(f"{place}: {_json_fault(error)}")
            continue
        if not isinstance(values, dict):
            faults.append(f"{place}: expected an object, got {what(values)}")
            continue
        if split:
            faults.append(f"{place}: holds half of a surrogate pair (\\ud800 to \\udfff), which is no character")
            continue
        columns.update(dict.fromkeys(values))
        yield Record(source, number, values)


class _Repeated(ValueError):
    """A key that a JSON object has twice; the last would silently win."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        raise _Repeated(f"key {shown(_twice(key for key, _ in pairs)[0])} occurs twice in one object")
    return values


def _twice(names: Iterator[str] | Sequence[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def _is_text(values: Any) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_object)
"""One for all lines: `json.loads` would make one for each."""


def _json_fault(error: Exception) -> str:
    if isinstance(error, _Repeated):
        return str(error)
    if isinstance(error, RecursionError):
        return "not JSON: nested too deeply"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} (column {error.colno})"
    if "int_max_str_digits" in str(error):
        return "not JSON: a number of more than 4,300 digits"
    return f"not JSON: {error}"


def _separated(
    path: Path, lines: TextIO, columns: Sequence[str], found: dict[str, None], faults: list[str]
) -> Iterator[Record]:
    source = f"{path.name}:"
    if path.suffix == ".tsv":  # quotes nothing (IANA text/tab-separated-values): its quotes are ordinary characters
        reader = csv.reader(lines, delimiter="\t", quoting=csv.QUOTE_NONE, strict=True)
    else:
        reader = csv.reader(lines, strict=True)
    header = list(columns)
    found.update(dict.fromkeys(header))
    first = True
    while True:
        number = reader.line_num + 1
        place = f"{source}{number}"
        try:
            cells = _next(reader)
        except csv.Error as error:
            ended = "unexpected end of data" in str(error)
            told = "a quote that opens here is never closed" if ended else f"not CSV: {error}"
            if "expected after" in told:
                told += "; inside a quoted cell a quote is written twice"
            if ended or not header:
                faults.append(f"{place}: {told}; the rest was not read")
                return
            faults.append(f"{place}: {told}")
            continue
        if cells is None:
            return
        if not cells:
            continue
        if first and columns and cells == header:
            faults.append(f"{place}: the file has a header line; leave out fields.columns")
        elif not header:
            header = cells
            found.update(dict.fromkeys(header))
            # Spreadsheets leave columns without a name behind; nothing can name them, so nothing can mistake them.
            if repeated := [column for column in _twice(header) if column]:
                faults.append(f"{place}: column {shown(repeated[0])} occurs twice; the rest was not read")
                return
        elif len(cells) != len(header):
            faults.append(f"{place}: {len(cells)} fields where {len(header)} belong")
        else:
            yield Record(source, number, dict(zip(header, cells, strict=True)), only_text=True)
        first = False


def _next(reader: Any) -> list[str] | None:
    """The next record, however long its cells are: the limit is one for the whole process, so it is put back."""
    before = csv.field_size_limit(MAX_LINE_CHARS)
    try:
        return next(reader, None)
    finally:
        csv.field_size_limit(before)


def _parquet(path: Path, wanted: Collection[str], columns: dict[str, None], faults: list[str]) -> Iterator[Record]:
    import pyarrow
    from pyarrow import parquet

    number, source = 0, f"{path.name}:row "
    try:
        with parquet.ParquetFile(path) as file:
            names = list(file.schema_arrow.names)
            columns.update(dict.fromkeys(names))
            if repeated := _twice(names):
                faults.append(f"{path.name}:1: column {shown(repeated[0])} occurs twice")
                return
            known = [name for name in names if name in wanted]
            if not known and file.metadata.num_rows:
                yield Record(source, 1, {})  # enough to say which columns are missing
                return
            for batch in file.iter_batches(batch_size=10_000, columns=known):
                for values in batch.to_pylist():
                    number += 1
                    yield Record(source, number, values)
    except (pyarrow.ArrowException, OSError, ValueError, TypeError, OverflowError, LookupError) as error:
        told = "from here on not readable" if number else "not readable"
        faults.append(f"{path.name}:row {number + 1}: {told} as Parquet: {error}")
