"""The errors a user can act on, each one line: what is wrong, what was possible, what to do.

HarnessError                 exit 1
├── UsageError               exit 2   a name, flag or setting that cannot be used
│   └── TaskFileError        exit 2   every fault of a task file, each with file and line
├── PluginError              exit 1   a plugin broke its contract
├── MissingDependency        exit 1   an optional library is not installed
├── StoreError               exit 1   the store cannot be read or written
└── ModelError               exit 1   a model cannot be found, verified or opened
Anything else that escapes is a bug and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence


class HarnessError(Exception):
    """An expected failure, told in one line; caught once, in `harness.cli.main`."""

    exit_code = 1


class UsageError(HarnessError):
    exit_code = 2


class TaskFileError(UsageError):
    """All faults of one task file together; `faults` are lines such as ``train.jsonl:7: ...``."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))


class PluginError(HarnessError):
    pass


class MissingDependency(HarnessError):
    pass


class StoreError(HarnessError):
    pass


class ModelError(HarnessError):
    pass


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One line for a name that does not exist, with the nearest known one."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(names) or 'none'}"
    return f"unknown {what} {name!r}; {hint}"
