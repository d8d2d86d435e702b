"""Data files -> records with their place (`file:line`), for JSONL, CSV, TSV and Parquet.

A fault never stops the reading: it is collected, so that one look shows everything that is wrong.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = (".jsonl", ".csv", ".tsv", ".parquet")
MAX_LINE_CHARS = 1_000_000
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Record:
    place: str
    values: dict[str, Any]


def confined(root: Path, name: str) -> Path:
    """The file `name` below `root`; ValueError for anything that would leave it."""
    if "\0" in name or Path(name).is_absolute() or ".." in Path(name).parts:
        raise ValueError(f"{name!r} must be a plain path below {root.name}/ (no '..', not absolute)")
    path = (root / name).resolve()
    if not path.is_relative_to(root.resolve()):
        raise ValueError(f"{name!r} is a link that leaves {root.name}/")
    if not path.exists():
        raise ValueError(f"{name!r} does not exist in {root}")
    if not path.is_file():
        raise ValueError(f"{name!r} is not a regular file")
    if path.suffix not in SUFFIXES:
        raise ValueError(f"{name!r} must end in one of {', '.join(SUFFIXES)}")
    return path


def read(path: Path, columns: Sequence[str], faults: list[str]) -> Iterator[Record]:
    """Records of one file; `columns` names those of a CSV or TSV without a header line."""
    if path.suffix == ".parquet":
        yield from _parquet(path, faults)
        return
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        faults.append(f"{path.name}:{line}: not UTF-8 (byte {error.start}); save the file as UTF-8")
        return
    if path.suffix == ".jsonl":
        yield from _jsonl(path.name, text, faults)
    else:
        yield from _separated(path.name, text, "\t" if path.suffix == ".tsv" else ",", columns, faults)


def _jsonl(name: str, text: str, faults: list[str]) -> Iterator[Record]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        if len(line) > MAX_LINE_CHARS:
            faults.append(f"{place}: line of {len(line):,} characters; at most {MAX_LINE_CHARS:,}")
            continue
        try:
            values = json.loads(line, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            faults.append(f"{place}: not JSON: {error}")
            continue
        if not isinstance(values, dict):
            faults.append(f"{place}: expected an object, got {type(values).__name__}")
            continue
        if _SURROGATE.search(line) and not _is_text(values):
            faults.append(f"{place}: holds half of a surrogate pair (\\ud800 to \\udfff), which is no character")
            continue
        yield Record(place, values)


def _is_text(values: dict[str, Any]) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _separated(name: str, text: str, delimiter: str, columns: Sequence[str], faults: list[str]) -> Iterator[Record]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header = list(columns)
    try:
        for cells in reader:
            if not cells:
                continue
            if not header:
                header = cells
                continue
            if len(cells) != len(header):
                faults.append(f"{name}:{reader.line_num}: {len(cells)} fields where {len(header)} belong")
                continue
            yield Record(f"{name}:{reader.line_num}", dict(zip(header, cells, strict=True)))
    except csv.Error as error:
        faults.append(f"{name}:{reader.line_num}: {error}")


def _parquet(path: Path, faults: list[str]) -> Iterator[Record]:
    import pyarrow
    from pyarrow import parquet

    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=10_000):
            for values in batch.to_pylist():
                number += 1
                yield Record(f"{path.name}:row {number}", values)
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        faults.append(f"{path.name}:row {number + 1}: not readable as Parquet: {error}")
