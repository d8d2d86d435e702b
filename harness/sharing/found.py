"""Which kept adaptation of a run is meant, and whether its files may leave."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import HarnessError, UsageError, unknown
from harness.remote.machines import ELSEWHERE
from harness.remote.repositories import PULLED
from harness.sharing.manifest import ADAPTATION, Machine, is_plain
from harness.snapshot import kept_adaptation
from harness.store import Record, Store
from harness.stored import StoredRun
from harness.types import Arm, Status

OF_ANSWERING = ("latency_s", "retrieval_latency_s", "retrieval_s_per_question", "service")
"""What a cell logs of answering on one machine: no step finds its choice there."""
WORD = re.compile(r"[A-Za-z0-9_.:+-]{1,80}(/[0-9]+)?")
"""A text that may leave: the name of a choice or of a format, and no sentence or path of anybody's."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One adaptation of a run, whole in the store."""

    planned: Mapping[str, Any]
    """The cell, as `record.run_record` writes it."""
    artifact: Mapping[str, Any]
    """As `snapshot.kept_adaptation` tells it."""
    done: Record
    """The cell's end."""

    @property
    def key(self) -> str:
        return str(self.planned["key"])

    @property
    def arm(self) -> Arm:
        return Arm(**self.planned["arm"])

    @property
    def files(self) -> dict[str, Path]:
        folder = Path(self.artifact["folder"])
        found = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path for path in found}


def kept(store: Store, run: StoredRun, arm: str | None, seed: int | None) -> Kept:
    """The one that is meant; raises `UsageError` where there is none, or more than one."""
    held = list(_kept(store, run))
    if not held:
        raise UsageError(f"run {run.id} keeps no adaptation; run it with --keep best")
    named = [each for each in held if arm is None or arm in _names(each.arm)]
    if not named:
        raise UsageError(unknown("arm with a kept adaptation", str(arm), sorted({each.arm.name for each in held})))
    meant = [each for each in named if seed is None or each.planned["seed"] == seed]
    if len(meant) == 1:
        return meant[0]
    told = ", ".join(f"{each.arm.name} of seed {each.planned['seed']}" for each in meant or named)
    raise UsageError(f"{len(meant)} kept adaptations are meant: name one arm, and --seed; kept: {told}")


def _kept(store: Store, run: StoredRun) -> Iterator[Kept]:
    for cells in run.arms.values():
        for planned in cells:
            done = None if planned["status"] == Status.SKIPPED else run.end_of(store, planned["key"])
            if done is not None and done.body["status"] == Status.DONE:
                artifact = kept_adaptation(store, planned["key"])
                if artifact is not None:
                    yield Kept(planned, artifact, done)


def _names(arm: Arm) -> tuple[str, ...]:
    return arm.name, f"{arm.strategy}@{arm.backend}", arm.strategy


def check(found: Kept) -> None:
    """Raises `HarnessError` for what is no use elsewhere, or might hold texts that it was trained on."""
    name, files = found.arm.name, found.files
    if found.planned.get("served"):
        raise HarnessError(f"{name}: its model stays with the service that trained it; there are no weights to push")
    if not files:
        raise HarnessError(f"{name}: nothing of it was trained, so there are no weights to push")
    told: dict[str, Any] = {"log": published(found.artifact["log"])}
    for file, path in files.items():
        if file == ADAPTATION:
            told[file] = json.loads(path.read_bytes())
        elif not is_plain(file) or not (file.endswith(".safetensors") or _is_numeric(path)):
            raise HarnessError(f"{name}: {file} is no file of numbers and may hold texts it was trained on: not pushed")
    for source, value in told.items():
        for where, text in _texts(value, source):
            if not WORD.fullmatch(text):
                raise HarnessError(f"{name}: what was recorded as {where!r} is text, which is not pushed")


def _is_numeric(path: Path) -> bool:
    try:
        with np.load(path, allow_pickle=False) as found:
            return all(found[name].dtype.kind in "biuf" for name in found.files)
    except (OSError, ValueError):
        return False


def published(log: Mapping[str, Any]) -> dict[str, Any]:
    """What a cell logged, without what is of one machine alone."""
    return {name: value for name, value in log.items() if name not in (*OF_ANSWERING, ELSEWHERE, PULLED)}


def machine(log: Mapping[str, Any]) -> dict[str, Any] | None:
    """Of a hired machine, what its figures mean."""
    told = log.get(ELSEWHERE)
    return None if told is None else {name: told[name] for name in Machine.model_fields}


def _texts(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for name, each in value.items():
            yield where, str(name)
            yield from _texts(each, str(name))
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each, where)
