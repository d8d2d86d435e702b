"""How the faults of a task file are told: one plain line each, and not hundreds of the same file."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import TaskFileError
from harness.safetext import one_line

MAX_FAULTS_PER_FILE = 20


def refuse(faults: Sequence[str]) -> None:
    """Raise `TaskFileError` if there is any fault."""
    if not faults:
        return
    told: list[str] = []
    counts: dict[str, int] = {}
    for fault in dict.fromkeys(map(one_line, faults)):
        file = fault.split(":", 1)[0]
        counts[file] = counts.get(file, 0) + 1
        if counts[file] <= MAX_FAULTS_PER_FILE:
            told.append(fault)
    told += [
        f"{file}: {count - MAX_FAULTS_PER_FILE} more faults"
        for file, count in counts.items()
        if count > MAX_FAULTS_PER_FILE
    ]
    raise TaskFileError(told)
