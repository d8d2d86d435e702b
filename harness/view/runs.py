"""The runs of a store as the pages need them; opened when first looked at, and again while one goes on."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from harness.cell import TIMED
from harness.evidence import answer_parts
from harness.naming import short_names
from harness.store import Store
from harness.stored import StoredRun, stored_run
from harness.types import NOT_PROBABILITIES, Status
from harness.view.columns import Parts
from harness.view.index import Given, SetIndex, index_set

HELD_RUNS = 4
LEARNT_FROM = ("train", "validation")
"""Asked by samples of them alone; a sample that is the whole has the same answers."""
LOOK_AGAIN_S = 2.0
"""A run without an end is read anew after so long."""


@dataclass(frozen=True, slots=True)
class CellState:
    """A planned cell that gives no answers to look at."""

    arm: str
    seed: int | None
    status: str
    reason: str | None


@dataclass(frozen=True, slots=True)
class Answered:
    """A cell that is done."""

    arm: str
    seed: int | None
    scores_only_rank: bool
    parts: Mapping[str, Parts]
    """Question set -> its answers."""
    alone_s: Sequence[float]
    """Of the questions of `TIMED` that were also asked one at a time."""


@dataclass(frozen=True, slots=True)
class RunView:
    stored: StoredRun
    root: Path
    cells: tuple[Answered, ...]
    missing: tuple[CellState, ...]
    read: float
    """Seconds of the monotonic clock."""
    _sets: dict[str, SetIndex] = field(default_factory=dict, repr=False)
    _names: dict[str, str] = field(default_factory=dict, repr=False)

    @property
    def going_on(self) -> bool:
        return self.stored.ended == float("inf")

    @property
    def task(self) -> str:
        return str(self.stored.task["name"])

    @property
    def sets(self) -> list[str]:
        """Question sets that some arm was asked: the test sets first."""
        asked = {name for cell in self.cells for name in cell.parts}
        first = ["test", *self.stored.task["tests"]]
        return [*(n for n in first if n in asked), *(n for n in self.stored.task["sets"] if n in asked - set(first))]

    @property
    def seeds(self) -> list[int]:
        return sorted({cell.seed for cell in self.cells if cell.seed is not None})

    @property
    def documents(self) -> Parts:
        return Parts(self.root, tuple(self.stored.task["documents"]))

    def short(self, arm: str) -> str:
        """What it is called beside the others."""
        if not self._names:
            self._names.update(short_names(self.stored.arms))
        return self._names[arm]

    def set(self, name: str) -> SetIndex:
        if name not in self._sets:
            arms: dict[str, list[Given]] = {}
            for cell in self.cells:
                if name in cell.parts:
                    alone = cell.alone_s if name == TIMED else ()
                    given = Given(cell.seed, cell.parts[name], cell.scores_only_rank, alone)
                    arms.setdefault(cell.arm, []).append(given)
            sets = {each: Parts(self.root, tuple(found["parts"])) for each, found in self.stored.task["sets"].items()}
            task = self.stored.task
            self._sets[name] = index_set(name, sets, task["groups"], arms, task.get("abstain"))
        return self._sets[name]


@dataclass(frozen=True, slots=True)
class Listed:
    """A run in the list of all."""

    id: str
    created: float
    task: str
    cells: int
    state: str


class Runs:
    """What the store holds, read as it is asked for; raises `UsageError` for a run that does not exist."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._held: OrderedDict[str, RunView] = OrderedDict()

    def list(self) -> list[Listed]:
        """Newest first."""
        with closing(Store(self.root, to_read=True)) as store:
            ended = {record.key: record.body["status"] for record in store.records("ended")}
            found = [
                Listed(
                    record.key,
                    record.created,
                    record.body["task"]["name"],
                    len(record.body["cells"]),
                    ended.get(record.key, "not finished"),
                )
                for record in store.records("run")
            ]
        return found[::-1]

    def open(self, run: str | None = None) -> RunView:
        """A run by its id; the latest, if none is given."""
        held = self._held.get(run or "")
        if held is not None and not (held.going_on and time.monotonic() - held.read > LOOK_AGAIN_S):
            self._held.move_to_end(held.stored.id)
            return held
        with closing(Store(self.root, to_read=True)) as store:
            opened = _open(store, stored_run(store, run))
        held = self._held.get(opened.stored.id)
        if held is not None and held.cells == opened.cells:
            opened._sets.update(held._sets)
        self._held[opened.stored.id] = opened
        self._held.move_to_end(opened.stored.id)
        while len(self._held) > HELD_RUNS:
            self._held.popitem(last=False)
        return opened


def _open(store: Store, run: StoredRun) -> RunView:
    found = list(_cells(store, run))
    return RunView(
        run,
        store.root,
        tuple(cell for cell in found if isinstance(cell, Answered)),
        tuple(cell for cell in found if isinstance(cell, CellState)),
        time.monotonic(),
    )


def _cells(store: Store, run: StoredRun) -> Iterator[Answered | CellState]:
    for arm, cells in run.arms.items():
        for planned in cells:
            record = run.end_of(store, planned["key"]) if planned["status"] != Status.SKIPPED else None
            if record is None or record.body["status"] != Status.DONE:
                yield CellState(arm, planned["seed"], *run.state_of(store, planned))
                continue
            parts = {}
            for name, asked in run.task["sets"].items():
                names = None if name in LEARNT_FROM else answer_parts(store, record, asked["fingerprint"])
                if names is not None:
                    parts[name] = Parts(store.root, tuple(names))
            log = record.body["log"]
            yield Answered(arm, planned["seed"], NOT_PROBABILITIES in log, parts, tuple(log.get("latency_s", ())))
