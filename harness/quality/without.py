"""A data file copied without some of its records; what stays is the same bytes, or of Parquet the same values."""

from __future__ import annotations

import shutil
from collections.abc import Collection
from pathlib import Path


def copy_without(source: Path, target: Path, starts: Collection[int], dropped: Collection[int]) -> None:
    """`starts` are the lines on which records begin (of Parquet: rows), `dropped` those of them that go, from 1 on."""
    if not dropped:
        shutil.copyfile(source, target)
    elif source.suffix == ".parquet":
        _copy_rows(source, target, dropped)
    else:
        _copy_lines(source, target, starts, dropped)


def _copy_lines(source: Path, target: Path, starts: Collection[int], dropped: Collection[int]) -> None:
    """A record lasts until the next one begins. Lines end as the reader of the task sees them end."""
    newline = "\n" if source.suffix == ".jsonl" else ""
    going = False
    with (
        source.open(encoding="utf-8", newline=newline) as lines,
        target.open("w", encoding="utf-8", newline="") as copy,
    ):
        for number, line in enumerate(lines, 1):
            if number in starts:
                going = number in dropped
            if not going:
                copy.write(line)


def _copy_rows(source: Path, target: Path, dropped: Collection[int]) -> None:
    import numpy as np
    import pyarrow
    from pyarrow import parquet

    table = parquet.read_table(source)
    stays = np.ones(table.num_rows, dtype=bool)
    stays[np.fromiter(dropped, dtype=np.int64) - 1] = False
    parquet.write_table(table.filter(pyarrow.array(stays)), target)
