"""On the hired machine: a bundled cell is done by the ordinary worker, and what it tells is packed as its result."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.channel import REASON_CHARS
from harness.elsewhere.archive import packed, unpacked
from harness.elsewhere.bundle import ASSETS, DISTRIBUTION, JOB, KEPT, MODEL, PARTS, read_job, sources
from harness.elsewhere.result import ABOUT, FORMAT, LOG, LOG_BYTES, MESSAGES
from harness.errors import HarnessError
from harness.keys import canonical
from harness.machine import environment
from harness.processes import LocalProcesses
from harness.registry import load_registry, require
from harness.safetext import one_line
from harness.store import part_path, read_part
from harness.types import Status

BUNDLE_BYTES = 2**33
POLL_S = 0.5


def run(bundle: Path, result: Path) -> None:
    """Whatever becomes of the cell, there is a result; raises `HarnessError` for what is no bundle."""
    content = bundle.read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        told, job = _unpack(content, folder)
        try:
            _must_be_the_same(told, job)
            messages = list(_done(told, _at_home(told, job, folder)))
        except HarnessError as error:
            messages = [{"end": Status.FAILED, "reason": one_line(str(error))[:REASON_CHARS], "usage": {}}]
        about = {"format": FORMAT, "work": told["work"], "environment": environment()}
        result.write_bytes(_packed(folder, about, messages))


def _unpack(content: bytes, folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the bundle says, and its job with folders of this machine."""
    files = unpacked(content, (JOB, PARTS, ASSETS, KEPT, MODEL), BUNDLE_BYTES)
    told = read_job(files.pop(JOB, b""))
    for name in ("logs", "keep", *(f"{ASSETS}{name}" for name in told["job"]["assets"])):
        (folder / name).mkdir(parents=True)
    for name, data in files.items():
        path = folder / name
        if name.startswith(PARTS):
            path = part_path(folder / "store", hashlib.sha256(data).hexdigest())
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    job = dict(told["job"])
    assets = {name: {**found, "folder": str(folder / ASSETS / name)} for name, found in job["assets"].items()}
    return told, {
        **job,
        "store": str(folder / "store"),
        "log": str(folder / "logs" / LOG),
        "assets": assets,
        "artifact": str(folder / KEPT) if job["artifact"] else None,
        "keep": str(folder / "keep") if job["keep"] else None,
    }


def _must_be_the_same(told: Mapping[str, Any], job: Mapping[str, Any]) -> None:
    """Raises `HarnessError` before anything is computed that would be the result of something else."""
    version = metadata.version(DISTRIBUTION)
    if version != told["version"]:
        raise HarnessError(f"the machine has {DISTRIBUTION} {version}, and the cell was sent by {told['version']}")
    try:
        own = sources(job)
    except ImportError as error:
        raise HarnessError(f"the machine lacks what the cell loads: {error}") from None
    other = [name for name in told["sources"] if own.get(name) != told["sources"][name]]
    if other:
        raise HarnessError(f"the machine has other code than the cell was sent by: {', '.join(sorted(other))}")


def _at_home(told: Mapping[str, Any], job: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The job with its model as it lies on this machine; raises `HarnessError` where that or the device is another."""
    backend, card = load_registry().backends.get(job["backend"]), job["model"]
    require(backend.name, backend.requires, backend.extra)
    device = backend.device()
    if device != told["device"]:
        raise HarnessError(f"{backend.name} would run on {device} on that machine, and was to run on {told['device']}")
    found = backend.describe(str(folder / MODEL) if told["model"] else card["id"])
    if found.revision != card["revision"]:
        raise HarnessError(f"model {card['id']!r} has other files on that machine: {found.revision[:12]}")
    return {**job, "model": {**card, "location": found.location}}


def _done(told: Mapping[str, Any], job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """All that the worker tells, to its typed end."""
    with LocalProcesses(Path(job["log"]).parent) as processes:
        processes.submit("cell", job, tuple(told["preload"]), float(told["limit_s"]))
        while True:
            for _, message in processes.messages(POLL_S):
                yield message
                if "end" in message:
                    return


def _packed(folder: Path, about: Mapping[str, Any], messages: list[dict[str, Any]]) -> bytes:
    files: list[tuple[str, bytes | Path]] = [(ABOUT, canonical(about))]
    files.append((MESSAGES, b"".join(json.dumps(message).encode() + b"\n" for message in messages)))
    log = folder / "logs" / LOG
    files.append((LOG, log.read_bytes()[-LOG_BYTES:] if log.exists() else b""))
    for name in dict.fromkeys(name for message in messages for name in message.get("parts", ())):
        if (part := read_part(folder / "store", name)) is not None:
            files.append((f"{PARTS}{name}.arrow", part))
    if any("artifact" in message for message in messages):
        kept = sorted(path for path in (folder / "keep").rglob("*") if path.is_file())
        files += [(KEPT + path.relative_to(folder / "keep").as_posix(), path) for path in kept]
    return packed(files)
