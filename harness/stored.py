"""A run as the store has it: what was planned, how each cell ended, what each arm answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.errors import UsageError, unknown
from harness.evidence import CellEvidence, Evidence, TaskEvidence, read_cell
from harness.store import Record, Store
from harness.types import Arm, ModelCard, Status


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run that may still be going on."""

    id: str
    created: float
    """Seconds since 1970."""
    body: Mapping[str, Any]
    """As planned (see `execute`)."""
    task: Mapping[str, Any]
    """The snapshot of its task (see `snapshot`)."""
    ended: float
    """Seconds since 1970; infinite while it goes on, or where it was killed."""

    def end_of(self, store: Store, key: str) -> Record | None:
        """How a cell ended in this run, or before it where the run reused it."""
        return store.latest("cell", key, run=self.id) or store.done(key, self.ended)

    def state_of(self, store: Store, planned: Mapping[str, Any]) -> tuple[str, str | None]:
        """The status of a planned cell and the reason for it."""
        record = None if planned["status"] == Status.SKIPPED else self.end_of(store, planned["key"])
        found = planned if record is None else record.body
        return str(found["status"]), found["reason"]

    @property
    def arms(self) -> dict[str, list[Mapping[str, Any]]]:
        """The planned cells of every arm, one for each seed; what shows something about training is no arm."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for planned in self.body["cells"]:
            if not planned.get("training"):
                found.setdefault(Arm(**planned["arm"]).name, []).append(planned)
        return found


def latest_run(store: Store) -> str:
    last = None
    for record in store.records("run"):
        last = record.key
    if last is None:
        raise UsageError(f"store {store.root} holds no run yet; start one with harness run")
    return last


def stored_run(store: Store, run: str | None = None) -> StoredRun:
    """A run by its id, the latest if none is given; raises `UsageError` for one that does not exist."""
    run = run or latest_run(store)
    record = store.latest("run", run)
    if record is None:
        raise UsageError(unknown("run", run, (found.key for found in store.records("run"))))
    snapshot = store.latest("task", record.body["task"]["fingerprint"])
    if snapshot is None:
        raise UsageError(f"run {run} has lost its task snapshot; run it again")
    ended = store.latest("ended", run)
    return StoredRun(run, record.created, record.body, snapshot.body, ended.created if ended else math.inf)


def answered(store: Store, run: StoredRun) -> list[Evidence]:
    """Every arm of which at least one seed is done, with its answers alone: no prices, no base."""
    task = TaskEvidence(store, run.task)
    found = []
    for planned in run.arms.values():
        cells = [cell for each in planned if (cell := _answers(store, run, each, task)) is not None]
        if cells:
            found.append(_evidence(planned, cells, task))
    return found


def _answers(store: Store, run: StoredRun, planned: Mapping[str, Any], task: TaskEvidence) -> CellEvidence | None:
    record = None if planned["status"] == Status.SKIPPED else run.end_of(store, planned["key"])
    if record is None or record.body["status"] != Status.DONE:
        return None
    return read_cell(store, record, planned["seed"], planned["assets"], task)


def _evidence(planned: Sequence[Mapping[str, Any]], cells: Sequence[CellEvidence], task: TaskEvidence) -> Evidence:
    first = planned[0]
    model = ModelCard(**first["model"]) if first["model"] else None
    return Evidence(Arm(**first["arm"]), task, tuple(cells), model, first["device"], first["trained"])
