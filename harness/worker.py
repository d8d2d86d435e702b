"""What a worker does with its job: a cell, or an asset, to a typed end; messages go to the parent (see `channel`)."""

from __future__ import annotations

import faulthandler
import json
import os
import socket
import sys
import traceback
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.cell import Cell, Job, parts_of
from harness.channel import REASON_CHARS, Channel
from harness.checks import InvalidAnswers
from harness.contracts import AssetInput
from harness.energy import COUNTERS, meters
from harness.errors import HarnessError
from harness.later import later, resolve
from harness.meter import Meter, total
from harness.remote.orders import StillWaiting
from harness.remote.redaction import Redactor, end_output, redact_output
from harness.types import ENERGY_BY, Status

run_elsewhere = later("harness.elsewhere.moved:run_elsewhere")
"""Of a cell that is done on a hired machine; imported by nobody else."""


def run(job: Mapping[str, Any], end: socket.socket) -> int:
    """Run one job to its typed end; returns the exit status."""
    redact = Redactor(job.get("secrets", ()))
    channel = Channel(end, redact)
    _log_to(Path(job["log"]))
    redact_output(redact)
    source = job.get("energy", COUNTERS)
    meter = Meter(energy=meters(source))
    try:
        if "elsewhere" in job:
            channel.tell(**run_elsewhere(job, channel))
            return 0
        if source != COUNTERS:
            channel.tell(log={ENERGY_BY: f"{source} {metadata.version(source)}"})
        if "asset" in job:
            _make_asset(job, channel, meter)
        else:
            Cell(Job(**{k: v for k, v in job.items() if k not in ("id", "log", "energy")}), channel, meter).run()
        _end(channel, Status.DONE, None, meter)
        return 0
    except StillWaiting as waiting:
        pending = waiting.pending
        channel.tell(end=Status.WAITING, reason=pending.handle, usage={}, poll_after_s=pending.poll_after_s)
        return 0
    except InvalidAnswers as error:
        _end(channel, Status.INVALID, str(error), meter)
    except MemoryError:
        _end(channel, Status.OOM, "out of memory", meter)
    except Exception as error:
        traceback.print_exc()
        oom = type(error).__name__ == "OutOfMemoryError"
        text = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        _end(channel, Status.OOM if oom else Status.FAILED, text, meter)
    finally:
        end_output()
    return 1


def _end(channel: Channel, status: Status, reason: str | None, meter: Meter) -> None:
    usage = {name: asdict(used) for name, used in meter.phases.items()}
    usage["total"] = asdict(total(list(meter.phases.values())))
    line = None if reason is None else " ".join(reason.split())[:REASON_CHARS]
    channel.tell(end=status, reason=line, usage=usage)


def _log_to(path: Path) -> None:
    """Whatever plugins and libraries print goes to the cell's log, never to the channel."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)
    faulthandler.enable(file=2)  # what native code died in is told there


def _make_asset(job: Mapping[str, Any], channel: Channel, meter: Meter) -> None:
    asset = job["asset"]
    texts = _read_texts(Path(job["store"]), asset)
    resolve(asset["make"])(Path(asset["folder"]), texts, asset["settings"], meter.phase)


def _read_texts(root: Path, asset: Mapping[str, Any]) -> AssetInput:
    """An asset's makers see documents and question texts: no gold, no groups, and evidence only for a control."""
    from harness.codec import decode_documents, decode_rows

    texts: dict[str, tuple[str, ...]] = {}
    train: tuple[str, ...] = ()
    for name, found in asset["sets"].items():
        rows = decode_rows(name, found["fingerprint"], parts_of(root, found["parts"])).rows
        if name == "train":
            train = tuple(row.question.text for row in rows)
        for row in rows:
            texts[row.question.text] = tuple(dict.fromkeys((*texts.get(row.question.text, ()), *row.evidence)))
    evidence = tuple(texts.values()) if asset["evidence"] else ()
    return AssetInput(decode_documents(parts_of(root, asset["documents"])), tuple(texts), train, evidence)


def main() -> int:
    """A worker that is no fork: its channel and its job, a file, are the descriptors on the command line."""
    channel, file = map(int, sys.argv[1:])
    with os.fdopen(file, "rb") as job:
        job.seek(0)
        return run(json.load(job), socket.socket(fileno=channel))


if __name__ == "__main__":
    # Not this copy of the module, which is called `__main__`: what it defines must be the same for all.
    from harness import worker

    os._exit(worker.main())
