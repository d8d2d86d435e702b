"""Here, in the worker of a cell that is done on a hired machine: order it, look, and take what comes back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.channel import REASON_CHARS, Channel
from harness.elsewhere.bundle import DISTRIBUTION, bundle, work
from harness.elsewhere.result import RESULT_BYTES, Result, keep, read_result
from harness.errors import HarnessError
from harness.later import resolve
from harness.meter import total
from harness.remote.faults import Doubtful, Refused
from harness.remote.hosted import SOON_S, Hosted, polls_every
from harness.remote.machines import ELSEWHERE, HIRED, MACHINE_SECONDS, Hire, Machines
from harness.remote.orders import HostedJob, Pending, StillWaiting
from harness.remote.purse import Purse
from harness.remote.redaction import Redactor
from harness.safetext import one_line
from harness.store import write_part
from harness.types import Usage


def run_elsewhere(job: Mapping[str, Any], channel: Channel) -> dict[str, Any]:
    """The cell's last message, once all others are told; raises `StillWaiting`, and `HarnessError` in one line."""
    where, spending = job["elsewhere"], job["spending"]
    purse = Purse(Path(spending["file"]), spending["rates"], spending["most_usd"], Redactor(job["secrets"]))
    try:
        machines: Machines = resolve(where["load"])()
        poll_s, wanted = polls_every(where["emulated"]), work(job)
        most = math.ceil(where["most_s"])
        hosted = Hosted[Hire](machines, purse, most, charge=HIRED, of=wanted, poll_s=poll_s)
        done = hosted.ordered() or hosted.begin(_hire(job))
        if isinstance(done, Pending):
            raise StillWaiting(done)
        return _taken(job, channel, _fetched(machines, done, job, wanted), _told(where, purse, done))
    finally:
        purse.close()


def _hire(job: Mapping[str, Any]) -> Hire:
    where = job["elsewhere"]
    version = metadata.version(DISTRIBUTION)
    return Hire(where["flavor"], bundle(job), where["most_s"], version, tuple(where["extras"]))


def _fetched(machines: Machines, done: HostedJob, job: Mapping[str, Any], wanted: str) -> Result:
    try:
        content = machines.result(done.label or "", RESULT_BYTES)
    except Doubtful as error:
        raise StillWaiting(Pending(f"fetching its result: {error}", SOON_S)) from None
    except Refused as error:
        if error.retry_s is None:
            raise
        raise StillWaiting(Pending(f"fetching its result: {error}", error.retry_s)) from None
    if content is None:
        raise HarnessError(f"job {done.id} ended well and left no result; --fresh orders another machine")
    try:
        return read_result(content, job, wanted)
    except HarnessError as error:
        raise HarnessError(f"the result of job {done.id} is refused: {error}") from None


def _told(where: Mapping[str, Any], purse: Purse, done: HostedJob) -> dict[str, Any]:
    known = purse.ledger.order
    paid = purse.answer(known["key"]) if known is not None else None
    told = {name: where[name] for name in ("machines", "flavor", "endpoint", "emulated")}
    billed = paid["billed"][MACHINE_SECONDS] if paid else None
    return {**told, "job": done.id, "seconds": billed, "usd": paid["usd"] if paid else None}


def _taken(job: Mapping[str, Any], channel: Channel, result: Result, told: dict[str, Any]) -> dict[str, Any]:
    """Repeat what the machine's worker told, with everything that it names put where it belongs here."""
    root = Path(job["store"])
    for content in result.parts.values():
        write_part(root, content)
    print(result.log.decode("utf-8", "replace"))
    for message in result.messages[:-1]:
        if "artifact" in message:
            channel.tell(artifact=keep(result, message, Path(job["keep"])))
        elif "phase" in message:
            channel.tell(phase=one_line(message["phase"]))
        else:
            channel.tell(**message)
    there = result.environment
    machine = {
        "gpu": next(iter(there["gpus"]), job["elsewhere"]["gpu"]),
        "cores": there["cores"],
        "python": there["python"],
    }
    channel.tell(log={ELSEWHERE: {**told, **machine, "versions": there["versions"]}})
    end = dict(result.messages[-1])
    phases = {name: Usage(**used) for name, used in end["usage"].items() if name != "total"}
    billed = None if told["seconds"] is None else {MACHINE_SECONDS: told["seconds"]}
    phases["total"] = replace(total(list(phases.values())), billed=billed)
    reason = None if end["reason"] is None else one_line(end["reason"])[:REASON_CHARS]
    return {**end, "reason": reason, "usage": {name: asdict(used) for name, used in phases.items()}}
