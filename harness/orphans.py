"""Trainings, hired machines and deployments that carry our label, beside what the cells of a store claim."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from harness.errors import HarnessError, UsageError, unknown
from harness.later import resolve
from harness.leases import Leases
from harness.purses import FOLDER
from harness.registry import Registry, require
from harness.remote.hosted import PREFIX, TRAINING
from harness.remote.hosting import HOSTING, INTENDED, WITHDRAWN, Deployments, Hosting, is_up
from harness.remote.machines import MACHINE
from harness.remote.orders import Orders, State
from harness.remote.purse import MILLION, Purse, read_ledger
from harness.store import Store

What = Literal["training", "machine", "deployment"]
ANY = "training, machine or deployment"
Found = TypeVar("Found")


@dataclass(frozen=True, slots=True)
class Claim:
    """What a cell's purse says of its training or machine, or of its deployment."""

    file: Path
    what: What
    state: str
    job: str | None
    in_use: bool
    """A deployment only while a run holds its cell, else it costs money for nothing; all others until they end."""


@dataclass(frozen=True, slots=True)
class Ended:
    id: str
    told: str


def claims(store: Path) -> dict[str, Claim]:
    """By label; what was put aside for a fresh training is claimed by nobody any more."""
    found = {}
    for file in sorted((store / FOLDER).glob("*.jsonl")):
        ledger = read_ledger(file)
        if (order := ledger.order) is not None:
            what: What = "machine" if order.get("what") == MACHINE else "training"
            found[str(order["label"])] = Claim(file, what, str(order["state"]), order.get("job"), True)
        if (hosting := ledger.hosting) is not None and is_up(hosting):
            label, held = str(hosting["label"]), _is_held(store, file.stem)
            found[label] = Claim(file, "deployment", str(hosting["state"]), label, held)
    return found


def _is_held(store: Path, cell: str) -> bool:
    opened = Store(store)
    try:
        return Leases(opened).held(cell)
    finally:
        opened.close()


@dataclass(frozen=True, slots=True)
class Offered:
    """What can be asked from here for what it does in its own time."""

    name: str
    jobs: Orders[Any] | None
    what: What = "training"
    """The sort of its jobs."""
    deployments: Deployments | None = None


def services(registry: Registry) -> Iterator[Offered]:
    for backend in registry.backends:
        service = backend.service
        if service is None or not (service.jobs or service.deployments):
            continue
        with contextlib.suppress(HarnessError):
            require(backend.name, backend.requires, backend.extra)
            if service.why_not(service.endpoint()) is None:
                jobs = resolve(service.jobs)() if service.jobs else None
                yield Offered(backend.name, jobs, deployments=_deployments(service.deployments))
    for machines in registry.machines:
        with contextlib.suppress(HarnessError):
            require(machines.name, machines.requires, machines.extra)
            if machines.why_not(machines.endpoint()) is None:
                yield Offered(machines.name, resolve(machines.load)(), "machine")


def _deployments(load: str) -> Deployments | None:
    """None where they cannot be asked, such as without what names their account."""
    try:
        return resolve(load)() if load else None
    except HarnessError:
        return None


def _asked(listed: Callable[[str], Sequence[Found]] | None) -> tuple[Sequence[Found], str | None]:
    """What a service lists of ours, or why it does not, such as to an account that may not ask."""
    try:
        return (() if listed is None else listed(PREFIX)), None
    except HarnessError as error:
        return (), str(error)


def labelled(registry: Registry, store: Path) -> list[dict[str, Any]]:
    """Every deployment with our label, and every job that has not ended or that a cell of this store claims.

    What a service does not list has a row that says why.
    """
    known, rows, unseen = claims(store), list[dict[str, Any]](), list[dict[str, Any]]()
    for offered in services(registry):
        jobs, no_jobs = _asked(offered.jobs.labelled if offered.jobs else None)
        for job in jobs:
            claim = known.get(job.label or "")
            if claim is not None or job.state is State.RUNNING:
                rows.append(_row(offered.what, offered.name, job.id, job.label, job.told, claim))
        deployed, no_deployments = _asked(offered.deployments.labelled if offered.deployments else None)
        for found in deployed:
            rows.append(_row("deployment", offered.name, found.name, found.label, found.told, known.get(found.label)))
        problems: Mapping[What, str | None] = {offered.what: no_jobs, "deployment": no_deployments}
        for what, problem in problems.items():
            if problem is not None:
                told = f"cannot be listed: {problem}"
                unseen.append({**_row(what, offered.name, None, None, told, None), "left": False})
    shown = {row["label"] for row in rows}
    for label, claim in known.items():
        if label not in shown and (claim.what == "deployment" or claim.state == INTENDED):
            missing = "not seen" if unseen else "not found"
            told = "in doubt" if claim.state == INTENDED else f"{claim.state}, and {missing}"
            rows.append(_row(claim.what, None, None, label, told, claim))
    return rows + unseen


def _row(
    what: What, backend: str | None, id: str | None, label: str | None, state: str, claim: Claim | None
) -> dict[str, Any]:
    """`left`: what the service has and nobody uses."""
    return {
        "what": what,
        "backend": backend,
        "job": id,
        "label": label,
        "state": state,
        "cell": claim.file.stem if claim else None,
        "left": backend is not None and not (claim and claim.in_use),
    }


def cancel(registry: Registry, label: str, store: Path) -> Ended:
    """End a job, or remove a deployment; raises `UsageError` where no service has such a one."""
    seen, problems = list[str](), list[str]()
    for offered in services(registry):
        jobs, no_jobs = _asked(offered.jobs.labelled if offered.jobs else None)
        for job in jobs:
            if label in (job.label, job.id):
                told = offered.jobs.cancel(job.id) if offered.jobs else job
                return Ended(told.id, told.told)
            seen.append(job.label or "")
        deployments = offered.deployments
        deployed, no_deployments = _asked(deployments.labelled if deployments else None)
        for found in deployed:
            if deployments is not None and label in (found.label, found.name):
                return Ended(found.name, _removed(deployments, found.label, claims(store).get(found.label)))
            seen.append(found.label)
        problems += [f"{offered.name} cannot be listed: {each}" for each in (no_jobs, no_deployments) if each]
    raise UsageError("; ".join([unknown(ANY, label, seen), *problems]))


def _removed(deployments: Deployments, label: str, claim: Claim | None) -> str:
    """With what it cost, where a cell of this store paid for it and no run has its purse open."""
    if claim is None or claim.in_use:
        deployments.stop(label)
        return "is being removed"
    ledger = read_ledger(claim.file)
    assert ledger.hosting is not None
    a_second = ledger.most[ledger.hosting["key"]] / math.ceil(ledger.hosting["most_s"])
    purse = Purse(claim.file, {HOSTING: a_second * MILLION}, 0.0)
    try:
        return "removed" if Hosting(deployments, purse).stop() else "is being removed"
    finally:
        purse.close()


def release(store: Path, label: str) -> str:
    """A person has seen that there is no such thing: the cell may order it anew. Returns the cell's key."""
    known = claims(store)
    doubtful = {name: claim for name, claim in known.items() if claim.state == INTENDED}
    if label not in doubtful:
        raise UsageError(unknown(f"{ANY} in doubt", label, doubtful))
    claim = doubtful[label]
    purse = Purse(claim.file, {}, 0.0)
    try:
        _withdraw(purse, purse.ledger.hosting if claim.what == "deployment" else None)
    finally:
        purse.close()
    return claim.file.stem


def _withdraw(purse: Purse, hosting: Mapping[str, Any] | None) -> None:
    if hosting is not None:
        purse.refused(hosting["key"], hosting={**hosting, "state": WITHDRAWN})
        return
    order = purse.ledger.order
    assert order is not None
    purse.refused(order.get("key", TRAINING), order={**order, "state": WITHDRAWN})
