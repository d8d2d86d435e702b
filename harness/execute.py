"""Plan → store: runs what is not yet there, one lease and one process per cell, and tells everything as events."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.contracts import Event, Executor
from harness.keep import drop_all_but_best
from harness.keys import answers_key
from harness.leases import Leases
from harness.plan import Plan, PlannedAsset, PlannedCell
from harness.processes import LocalProcesses
from harness.snapshot import artifact_folder, environment, kept_adaptation, save_snapshot, stored_answers
from harness.store import Store
from harness.types import Status

POLL_S = 0.2

Emit = Callable[[Event], None]


def execute(plan: Plan, store: Store, emit: Emit, executor: Executor | None = None) -> str:
    """Run every planned cell that has no stored answers; returns the run's id. The same plan resumes.

    Without an executor it starts local processes of its own and ends them.
    """
    with nullcontext(executor) if executor else LocalProcesses(store.root / "logs") as jobs:
        return _Execution(plan, store, emit, jobs).run()


@dataclass(slots=True)
class _Active:
    planned: PlannedCell | PlannedAsset
    began: float
    answers: list[dict[str, Any]] = field(default_factory=list)
    log: dict[str, Any] = field(default_factory=dict)
    epochs: list[dict[str, Any]] = field(default_factory=list)
    artifact: dict[str, Any] | None = None
    contended: bool = False
    reopened: bool = False


class _Execution:
    def __init__(self, plan: Plan, store: Store, emit: Emit, jobs: Executor) -> None:
        self.plan, self.store, self._emit, self.jobs = plan, store, emit, jobs
        self.run_id = time.strftime("%Y%m%d-%H%M%S-") + uuid.uuid4().hex[:6]
        self.leases = Leases(store)
        self.active: dict[str, _Active] = {}

    def run(self) -> str:
        self.snapshot = save_snapshot(self.plan, self.store)
        self.store.append("run", self.run_id, self.run_id, self._describe())
        waiting = self._settle()
        self.emit("run.planned", None, cells=len(self.plan.cells), todo=len(waiting))
        try:
            self._run_cells(waiting, self._make_assets(waiting))
        except BaseException:
            for id in self.active:
                self.jobs.cancel(id)
                self.leases.release(id)
            self.store.append("ended", self.run_id, self.run_id, {"status": Status.CANCELLED})
            raise
        if self.plan.request.keep == "best":
            drop_all_but_best(self.plan, self.store, [planned.cell.key for planned in self.plan.cells])
        self.store.append("ended", self.run_id, self.run_id, {"status": Status.DONE})
        self.emit("run.ended", None)
        return self.run_id

    def emit(self, name: str, cell: str | None, **data: Any) -> None:
        self._emit(Event(name, self.run_id, cell, data))

    # -- before ------------------------------------------------------------------------------------

    def _describe(self) -> dict[str, Any]:
        request = self.plan.request
        return {
            "task": {"name": self.plan.task.name, "fingerprint": self.plan.task.fingerprint},
            "environment": environment(),
            "seeds": list(request.seeds),
            "cells": [
                {
                    "key": planned.cell.key,
                    "arm": asdict(planned.cell.arm),
                    "seed": planned.cell.seed,
                    "seeded": planned.cell.seed is not None,
                    "trained": any(step.needs_training for step in planned.steps),
                    "status": planned.cell.status,
                    "reason": planned.cell.reason,
                    "estimate": asdict(planned.cell.estimate) if planned.cell.estimate else None,
                    "assets": [asset.key for asset in planned.assets],
                    "control": any(asset.is_control for asset in planned.assets),
                    "model": asdict(planned.model) if planned.model else None,
                    "device": planned.backend.device() if planned.backend else "cpu",
                }
                for planned in self.plan.cells
            ],
        }

    def _settle(self) -> list[PlannedCell]:
        """Cells still to run; the others are done already or skipped."""
        waiting = []
        for planned in self.plan.cells:
            cell = planned.cell
            if cell.status is Status.SKIPPED:
                self.emit("cell.ended", cell.key, status=Status.SKIPPED, reason=cell.reason, arm=cell.arm.name)
            elif not self.plan.request.fresh and not self._unanswered(planned):
                self.emit("cell.ended", cell.key, status=Status.DONE, reused=True, arm=cell.arm.name, seed=cell.seed)
            else:
                waiting.append(planned)
        return waiting

    def _unanswered(self, planned: PlannedCell) -> list[str]:
        """Question sets that this adaptation has no sound stored answers to."""
        done = self.store.latest("cell", planned.cell.key)
        if done is None or done.body["status"] != Status.DONE:
            return list(self.plan.sets)
        return [
            name
            for name, found in self.plan.sets.items()
            if stored_answers(self.store, planned.cell.key, found.fingerprint) is None
        ]

    # -- assets ------------------------------------------------------------------------------------

    def _make_assets(self, waiting: list[PlannedCell]) -> dict[str, str]:
        """Asset key -> why it could not be made."""
        failed: dict[str, str] = {}
        needed = {asset.key: asset for planned in waiting for asset in planned.assets}
        for key, asset in needed.items():
            while self._asset_record(key) is None or self.plan.request.fresh:
                if not self.leases.take(key):
                    time.sleep(POLL_S)
                    continue
                self.emit("asset.started", key, asset=asset.spec.name)
                try:
                    reason = self._make(key, asset)
                except BaseException:
                    self.jobs.cancel(key)
                    raise
                finally:
                    self.leases.release(key)
                self.emit("asset.done", key, asset=asset.spec.name, reason=reason)
                if reason:
                    failed[key] = f"asset {asset.spec.name}: {reason}"
                break
        return failed

    def _asset_record(self, key: str) -> Any:
        record = self.store.latest("asset", key)
        return record if record and (self.store.root / "assets" / key).is_dir() else None

    def _make(self, key: str, asset: PlannedAsset) -> str | None:
        folder = self.store.root / "assets" / key
        temporary = folder.with_name(f".{key}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        job = {
            "store": str(self.store.root.resolve()),
            "log": self._log(key),
            "asset": {
                "make": asset.spec.make,
                "folder": str(temporary),
                "settings": dict(asset.settings),
                "evidence": asset.is_control,
                "documents": self.snapshot.documents,
                "sets": dict(self.snapshot.sets),
            },
        }
        self.jobs.submit(key, job, asset.spec.preload, self.plan.request.time_limit_s)
        while True:
            self.leases.renew([key])
            for id, message in self.jobs.messages(POLL_S):
                if id != key or "end" not in message:
                    continue
                if message["end"] != Status.DONE:
                    shutil.rmtree(temporary, ignore_errors=True)
                    return str(message["reason"])
                shutil.rmtree(folder, ignore_errors=True)
                temporary.rename(folder)
                size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
                body = {"name": asset.spec.name, "usage": message["usage"], "bytes": size}
                self.store.append("asset", key, self.run_id, body)
                return None

    # -- cells -------------------------------------------------------------------------------------

    def _run_cells(self, waiting: list[PlannedCell], failed_assets: Mapping[str, str]) -> None:
        queue = list(waiting)
        while queue or self.active:
            for planned in list(queue):
                if len(self.active) >= self.plan.request.jobs:
                    break
                broken = [failed_assets[a.key] for a in planned.assets if a.key in failed_assets]
                if broken:
                    queue.remove(planned)
                    self._record(planned, {"end": Status.FAILED, "reason": broken[0], "usage": {}}, None)
                elif self.leases.take(planned.cell.key):
                    queue.remove(planned)
                    if self.plan.request.fresh or self._unanswered(planned):
                        self._start(planned)
                    else:
                        self.leases.release(planned.cell.key)
                        self._tell_end(planned, Status.DONE, None, reused=True)
            self.leases.renew(list(self.active))
            if not self.active:
                time.sleep(POLL_S)
            for id, message in self.jobs.messages(POLL_S):
                if id in self.active:
                    self._hear(id, message)

    def _start(self, planned: PlannedCell) -> None:
        cell, key = planned.cell, planned.cell.key
        self.active[key] = _Active(planned, time.time(), contended=bool(self.active))
        for active in self.active.values():
            active.contended = active.contended or len(self.active) > 1
        self.emit("cell.started", key, arm=cell.arm.name, seed=cell.seed)
        job = self._job(planned)
        self.active[key].reopened = job["artifact"] is not None
        self.jobs.submit(key, job, self._preload(planned), self.plan.request.time_limit_s)

    def _log(self, key: str) -> str:
        return str(self.store.root.resolve() / "logs" / f"{key}.log")

    def _preload(self, planned: PlannedCell) -> tuple[str, ...]:
        """One zygote for all cells of a backend, with whatever any of them wants imported."""
        wanted = list(planned.backend.preload) if planned.backend else []
        for other in self.plan.cells:
            if other.backend is planned.backend and other.cell.status is not Status.SKIPPED:
                wanted += [module for step in other.steps for module in step.preload]
        return tuple(dict.fromkeys(wanted))

    def _job(self, planned: PlannedCell) -> dict[str, Any]:
        cell, task = planned.cell, self.plan.task
        plugins = {f"step {step.name}": step.load for step in planned.steps}
        if planned.backend is not None:
            plugins[f"backend {planned.backend.name}"] = planned.backend.load
        kept = None if self.plan.request.fresh else kept_adaptation(self.store, cell.key)
        keeping = self.plan.request.keep != "none" and planned.backend is not None and kept is None
        folder = artifact_folder(self.store, cell.key)
        if keeping:
            shutil.rmtree(folder, ignore_errors=True)
        return {
            "store": str(self.store.root.resolve()),
            "log": self._log(cell.key),
            "strategy": [step.name for step in planned.steps],
            "backend": planned.backend.name if planned.backend else None,
            "model": asdict(planned.model) if planned.model else None,
            "seed": cell.seed,
            "settings": dict(cell.arm.settings),
            "kind": task.kind,
            "labels": list(task.labels),
            "sets": dict(self.snapshot.sets),
            "ask": list(self.plan.sets) if kept is None else self._unanswered(planned),
            "documents": self.snapshot.documents,
            "assets": {
                asset.spec.name: {
                    "folder": str((self.store.root / "assets" / asset.key).resolve()),
                    "open": asset.spec.open,
                }
                for asset in planned.assets
            },
            "weights": [step.name for step in planned.steps if step.role == "weights"],
            "artifact": kept["folder"] if kept else None,
            "recalled": kept["log"] if kept else {},
            "keep": str(folder) if keeping else None,
            "plugins": plugins,
        }

    def _hear(self, key: str, message: dict[str, Any]) -> None:
        active = self.active[key]
        planned = active.planned
        assert isinstance(planned, PlannedCell)
        if "phase" in message:
            self.emit("cell.phase", key, phase=message["phase"], arm=planned.cell.arm.name)
        elif "epoch" in message:
            active.epochs.append(message["epoch"])
            self.emit("cell.epoch", key, arm=planned.cell.arm.name, **message["epoch"])
        elif "log" in message:
            active.log.update(message["log"])
        elif "answers" in message:
            active.answers.append(message)
        elif "artifact" in message:
            active.artifact = message["artifact"]
        elif "end" in message:
            self._record(planned, message, active)
            self.active.pop(key, None)
            self.leases.release(key)

    def _record(self, planned: PlannedCell, message: Mapping[str, Any], active: _Active | None) -> None:
        """Answers first, then the cell's end: a cell recorded as done has all its answers."""
        key, status = planned.cell.key, Status(message["end"])
        if active is not None and status is Status.DONE:
            for told in active.answers:
                body = {name: told[name] for name in ("answers", "fingerprint", "parts", "n")}
                self.store.append("answers", answers_key(key, told["fingerprint"]), self.run_id, body)
            if active.artifact is not None:
                self.store.append("artifact", key, self.run_id, {**active.artifact, "log": active.log})
        body = {
            "status": status,
            "reason": message["reason"],
            "usage": message["usage"],
            "log": {**active.log, "epochs": active.epochs} if active else {},
            "contended": active.contended if active else False,
        }
        if active is not None and active.reopened:
            self._add_training(key, body)
        self.store.append("cell", key, self.run_id, body)
        self._tell_end(planned, status, message["reason"], reused=False)

    def _add_training(self, key: str, body: dict[str, Any]) -> None:
        """A kept adaptation that was asked again cost what it cost to train, and what was asked before."""
        done = [found for found in self.store.records("cell", key=key) if found.body["status"] == Status.DONE]
        if done:
            first = done[-1].body
            body["usage"] = {**body["usage"], **first["usage"]}
            body["log"] = {**body["log"], **first["log"]}

    def _tell_end(self, planned: PlannedCell, status: Status, reason: str | None, reused: bool) -> None:
        cell = planned.cell
        self.emit(
            "cell.ended", cell.key, status=status, reason=reason, reused=reused, arm=cell.arm.name, seed=cell.seed
        )
