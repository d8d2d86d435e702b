"""Hosted trainings that carry our label, beside what the cells of a store claim."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts import BackendSpec
from harness.errors import HarnessError, UsageError, unknown
from harness.later import resolve
from harness.purses import FOLDER
from harness.registry import Registry, require
from harness.remote.hosted import PREFIX, TRAINING
from harness.remote.orders import HostedJob, Jobs, State
from harness.remote.purse import Purse, read_ledger

INTENDED = "intended"


@dataclass(frozen=True, slots=True)
class Claim:
    """What a cell's purse says of its training."""

    file: Path
    state: str
    job: str | None


def claims(store: Path) -> dict[str, Claim]:
    """By label; what was put aside for a fresh training is claimed by nobody any more."""
    found = {}
    for file in sorted((store / FOLDER).glob("*.jsonl")):
        order = read_ledger(file).order
        if order is not None:
            found[str(order["label"])] = Claim(file, str(order["state"]), order.get("job"))
    return found


def services(registry: Registry) -> Iterator[tuple[BackendSpec, Jobs]]:
    """Backends that train elsewhere and can be asked from here."""
    for backend in registry.backends:
        service = backend.service
        if service is None or not service.jobs:
            continue
        try:
            require(backend.name, backend.requires, backend.extra)
            if service.why_not(service.endpoint()) is None:
                yield backend, resolve(service.jobs)()
        except HarnessError:
            continue


def labelled(registry: Registry, store: Path) -> list[dict[str, Any]]:
    """Every job with our label that has not ended, or that a cell of this store claims."""
    known, rows = claims(store), []
    for backend, jobs in services(registry):
        for job in jobs.labelled(PREFIX):
            claim = known.get(job.label or "")
            if claim is not None or job.state is State.RUNNING:
                rows.append(_row(backend.name, job, claim))
    shown = {row["label"] for row in rows}
    for label, claim in known.items():
        if label not in shown and claim.state == INTENDED:
            rows.append({"backend": None, "job": None, "label": label, "state": "in doubt", "cell": claim.file.stem})
    return rows


def _row(backend: str, job: HostedJob, claim: Claim | None) -> dict[str, Any]:
    cell = claim.file.stem if claim else None
    return {"backend": backend, "job": job.id, "label": job.label, "state": job.told, "cell": cell}


def cancel(registry: Registry, label: str) -> HostedJob:
    """Raises `UsageError` where no service has such a job."""
    seen = []
    for _, jobs in services(registry):
        for job in jobs.labelled(PREFIX):
            if label in (job.label, job.id):
                return jobs.cancel(job.id)
            seen.append(job.label or "")
    raise UsageError(unknown("job", label, seen))


def release(store: Path, label: str) -> str:
    """A person has seen that there is no such job: the cell may order it anew. Returns the cell's key."""
    known = claims(store)
    doubtful = {name: claim for name, claim in known.items() if claim.state == INTENDED}
    if label not in doubtful:
        raise UsageError(unknown("training in doubt", label, doubtful))
    purse = Purse(doubtful[label].file, {}, 0.0)
    order = purse.ledger.order
    assert order is not None
    purse.note({**order, "state": "withdrawn"})
    while purse.ledger.open[TRAINING] > 0:
        purse.refused(TRAINING)
    purse.close()
    return doubtful[label].file.stem
