"""Plan → store: runs what is not yet there, one lease and one process per cell, and tells everything as events."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from typing import Any

from harness.assets import Assets, log_file
from harness.caps import Caps
from harness.contracts import Event, Executor
from harness.hiring import elsewhere
from harness.keep import drop_all_but_best
from harness.keys import answers_key
from harness.leases import Leases
from harness.machine import Machine, environment
from harness.meter import total
from harness.plan import Plan
from harness.planned import PlannedCell
from harness.processes import LocalProcesses
from harness.purses import Purses
from harness.record import run_record
from harness.remote.machines import SETUP_S
from harness.snapshot import artifact_folder, kept_adaptation, save_snapshot, stored_answers
from harness.spending import leaving
from harness.store import Store
from harness.types import Status, Usage

POLL_S = 0.2
TRAINING = ("load", "adapt", "save")
"""Phases of making an adaptation; a cell that reopens a kept one is charged for those that made it."""
ASKING = ("latency_s",)
"""What a cell logs of answering, not of adapting."""

Emit = Callable[[Event], None]


def execute(plan: Plan, store: Store, emit: Emit, executor: Executor | None = None) -> str:
    """Run every planned cell that has no stored answers; returns the run's id. The same plan resumes.

    Without an executor it starts local processes of its own and ends them.
    """
    with nullcontext(executor) if executor else LocalProcesses(store.root / "logs") as jobs:
        return _Execution(plan, store, emit, jobs).run()


@dataclass(slots=True)
class _Active:
    planned: PlannedCell
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
        self.environment = environment()
        most = plan.request.max_cost_usd, plan.request.max_gpu_hours
        self.caps = Caps(plan.terms.tariff, Machine.of(self.environment), *most)
        self.purses = Purses(store, plan)
        self.waiting: dict[str, tuple[float, PlannedCell]] = {}
        """Cells without a process, whose training goes on elsewhere: when to look again."""

    def run(self) -> str:
        self.caps.check({planned.here[1] for planned in self.plan.cells})
        self.snapshot = save_snapshot(self.plan, self.store)
        self.store.append("run", self.run_id, self.run_id, run_record(self.plan, self.environment))
        waiting = self._settle()
        self.caps.usd += sum(self.purses.spent(planned) for planned in self.plan.cells)
        self.emit("run.planned", None, cells=len(self.plan.cells), todo=len(waiting))
        for sent in leaving(self.plan):
            self.emit("run.leaves", None, told=sent.told, notices=sent.notices)
        try:
            self._run_cells(waiting, self._make_assets(waiting))
        except BaseException as error:
            left = [each.planned for each in self.active.values()] + [each for _, each in self.waiting.values()]
            for planned in left:
                self.jobs.cancel(planned.cell.key)
            for planned in left:
                self._tear_down(planned)
                self.leases.release(planned.cell.key)
            status = Status.FAILED if isinstance(error, Exception) else Status.CANCELLED
            self.store.append("ended", self.run_id, self.run_id, {"status": status})
            raise
        if self.plan.request.keep == "best":
            drop_all_but_best(
                self.plan, self.store, [planned.cell.key for planned in self.plan.cells if not planned.training]
            )
        self.store.append("ended", self.run_id, self.run_id, {"status": Status.DONE})
        self.emit("run.ended", None)
        return self.run_id

    def emit(self, name: str, cell: str | None, **data: Any) -> None:
        self._emit(Event(name, self.run_id, cell, data))

    # -- before ------------------------------------------------------------------------------------

    def _settle(self) -> list[PlannedCell]:
        """Cells still to run; the others are done already or skipped."""
        waiting = []
        for planned in self.plan.cells:
            cell = planned.cell
            if cell.status is Status.SKIPPED:
                self.emit("cell.ended", cell.key, status=Status.SKIPPED, reason=cell.reason, arm=planned.name)
            elif self._is_complete(planned):
                self.emit("cell.ended", cell.key, status=Status.DONE, reused=True, arm=planned.name, seed=cell.seed)
            else:
                waiting.append(planned)
        return waiting

    def _is_complete(self, planned: PlannedCell) -> bool:
        """Answered whole, and kept if that is asked for; one that was kept and then dropped for a better one counts."""
        if self.plan.request.fresh or self._unanswered(planned):
            return False
        return not self._keeps(planned) or self.store.latest("artifact", planned.cell.key) is not None

    def _keeps(self, planned: PlannedCell) -> bool:
        """An adaptation that shows something about training is no use to anybody later."""
        return self.plan.request.keep != "none" and planned.backend is not None and not planned.training

    def _unanswered(self, planned: PlannedCell) -> list[str]:
        """Question sets that this adaptation has no sound stored answers to."""
        if self.store.done(planned.cell.key) is None:
            return list(self.plan.asked(planned))
        return [
            name
            for name, found in self.plan.asked(planned).items()
            if stored_answers(self.store, planned.cell.key, found.fingerprint) is None
        ]

    def _make_assets(self, waiting: list[PlannedCell]) -> dict[str, str]:
        """Asset key -> why it could not be made."""
        request, over = self.plan.request, self.caps.over
        assets = Assets(self.store, self.run_id, self.jobs, self.leases, self.snapshot, self.emit, over, request.energy)
        needed = {asset.key: asset for planned in waiting for asset in planned.assets}
        reasons = {}
        for key, asset in needed.items():
            self.caps.begin(key, "cpu")
            reasons[key] = over() or assets.ensure(asset, request.fresh, request.time_limit_s)
            self.caps.end(key)
        return {key: reason for key, reason in reasons.items() if reason}

    # -- cells -------------------------------------------------------------------------------------

    def _run_cells(self, waiting: list[PlannedCell], failed_assets: Mapping[str, str]) -> None:
        queue = list(waiting)
        while queue or self.active or self.waiting:
            queue[:0] = self._due()  # before others are hired for: what these cost is known soon
            for planned in list(queue):
                if len(self.active) >= self.plan.request.jobs:
                    break
                if self._is_held_up(planned):
                    continue
                broken = [failed_assets[a.key] for a in planned.assets if a.key in failed_assets]
                if reached := self.caps.over(*planned.here, self.purses.expected_usd(planned)):
                    queue.remove(planned)
                    self._tear_down(planned)
                    self._record(planned, {"end": Status.CANCELLED, "reason": reached, "usage": {}}, None)
                elif broken:
                    queue.remove(planned)
                    self._record(planned, {"end": Status.FAILED, "reason": broken[0], "usage": {}}, None)
                elif self.leases.take(planned.cell.key):
                    queue.remove(planned)
                    if self._is_complete(planned):
                        self.leases.release(planned.cell.key)
                        self._tell_end(planned, Status.DONE, None, reused=True)
                    else:
                        self._start(planned)
            self.leases.renew([*self.active, *self.waiting])
            if not self.active:
                time.sleep(POLL_S)
            for id, message in self.jobs.messages(POLL_S):
                if id in self.active:
                    self._hear(id, message)
            if self.active and (reached := self.caps.over()):
                self._stop(reached)

    def _due(self) -> list[PlannedCell]:
        """Waiting cells whose time to look again has come."""
        due = [key for key, (when, _) in self.waiting.items() if time.monotonic() >= when]
        return [self.waiting.pop(key)[1] for key in due]

    def _is_held_up(self, planned: PlannedCell) -> bool:
        """What is left to spend is left to one cell at a time; a machine is hired once its whole time can be paid."""
        if planned.paid is None or any(active.planned.paid for active in self.active.values()):
            return planned.paid is not None
        return bool(self.waiting) and self.purses.most_usd(planned) > self.caps.left_usd()

    def _start(self, planned: PlannedCell) -> None:
        cell, key = planned.cell, planned.cell.key
        self.active[key] = _Active(planned, contended=bool(self.active))
        for active in self.active.values():
            active.contended = active.contended or len(self.active) > 1
        self.emit("cell.started", key, arm=planned.name, seed=cell.seed)
        job = self._job(planned)
        self.active[key].reopened = job["artifact"] is not None
        preload = self.plan.preload(planned)
        job.update(self.purses.begin(planned, self.caps.left_usd()))
        job.update(elsewhere(planned, self.plan, preload))
        self.caps.begin(key, planned.here[1])
        imported = planned.place.machines.preload if planned.place else preload
        more_s = SETUP_S if planned.place else 0.0  # to send much, or to fetch it, takes its own time
        self.jobs.submit(key, job, imported, self.plan.request.time_limit_s + more_s)

    def _stop(self, reason: str) -> None:
        """End all that runs; the same command goes on with it."""
        for id, active in list(self.active.items()):
            self.jobs.cancel(id)
            self._end(id)
            self._record(active.planned, {"end": Status.CANCELLED, "reason": reason, "usage": {}}, active)

    def _end(self, key: str) -> None:
        active = self.active.pop(key, None)
        if active is not None:
            self._tear_down(active.planned)
        self.caps.usd += self.purses.end(active.planned) if active else 0.0
        self.caps.end(key)
        self.leases.release(key)

    def _tear_down(self, planned: PlannedCell) -> None:
        if told := self.purses.tear_down(planned):
            self.emit("cell.left", planned.cell.key, arm=planned.name, told=told)

    def _job(self, planned: PlannedCell) -> dict[str, Any]:
        cell, task = planned.cell, self.plan.task
        plugins = {f"step {step.name}": step.load for step in planned.steps}
        if planned.backend is not None:
            plugins[f"backend {planned.backend.name}"] = planned.backend.load
        kept = None if self.plan.request.fresh else kept_adaptation(self.store, cell.key)
        keeping = self._keeps(planned) and kept is None
        folder = artifact_folder(self.store, cell.key)
        if keeping:
            shutil.rmtree(folder, ignore_errors=True)
        return {
            "store": str(self.store.root.resolve()),
            "log": log_file(self.store, cell.key),
            "energy": self.plan.request.energy,
            "strategy": [step.name for step in planned.steps],
            "backend": planned.backend.name if planned.backend else None,
            "model": asdict(planned.model) if planned.model else None,
            "seed": cell.seed,
            "settings": dict(cell.arm.settings),
            "trials": self.plan.request.trials,
            "space": planned.space,
            "held": list(self.plan.held) if planned.held_by else [],
            "held_by": planned.held_by or "",
            "kind": task.kind,
            "labels": list(task.labels),
            "sets": self.snapshot.trained_on(planned.training),
            "ask": list(self.plan.asked(planned)) if kept is None else self._unanswered(planned),
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
        if "phase" in message:
            self.emit("cell.phase", key, phase=message["phase"], arm=planned.name)
        elif "epoch" in message:
            active.epochs.append(message["epoch"])
            self.emit("cell.epoch", key, arm=planned.name, **message["epoch"])
        elif "log" in message:
            active.log.update(message["log"])
        elif "answers" in message:
            active.answers.append(message)
        elif "artifact" in message:
            active.artifact = message["artifact"]
        elif message.get("end") == Status.WAITING:
            self._wait(key, message)
        elif "end" in message:
            self._record(planned, message, active)
            self._end(key)

    def _wait(self, key: str, message: Mapping[str, Any]) -> None:
        """Its lease is kept: nobody else may order the same training."""
        planned = self.active.pop(key).planned
        self.caps.end(key)
        self.caps.usd += self.purses.end(planned)
        self.waiting[key] = time.monotonic() + float(message["poll_after_s"]), planned
        body = {"status": Status.WAITING, "reason": message["reason"], "usage": {}, "log": {}, "contended": False}
        last = self.store.latest("cell", key, run=self.run_id)
        if last is None or last.body["reason"] != message["reason"]:
            self.store.append("cell", key, self.run_id, body)
            self.emit("cell.waiting", key, arm=planned.name, reason=message["reason"])

    def _record(self, planned: PlannedCell, message: Mapping[str, Any], active: _Active | None) -> None:
        """Answers, adaptation and the cell's end, all or none: a cell that is done has all its answers."""
        key, status = planned.cell.key, Status(message["end"])
        body = {
            "status": status,
            "reason": message["reason"],
            "usage": message["usage"],
            "log": {**active.log, "epochs": active.epochs} if active else {},
            "contended": active.contended and planned.place is None if active else False,
        }
        if active is not None and active.reopened:
            self._add_training(key, body)
        with self.store.together():
            if active is not None and status is Status.DONE:
                for told in active.answers:
                    answered = {name: told[name] for name in ("answers", "fingerprint", "parts", "n")}
                    self.store.append("answers", answers_key(key, told["fingerprint"]), self.run_id, answered)
                if active.artifact is not None:
                    self.store.append("artifact", key, self.run_id, {**active.artifact, "log": active.log})
            self.store.append("cell", key, self.run_id, body)
        self._tell_end(planned, status, message["reason"], reused=False)

    def _add_training(self, key: str, body: dict[str, Any]) -> None:
        """A kept adaptation that was asked again cost what it cost to train; sets not asked again, what they did."""
        done = self.store.done(key)
        if done is None:
            return
        first, now = done.body["usage"], {name: used for name, used in body["usage"].items() if name not in TRAINING}
        phases = {**first, **now}
        del phases["total"]
        summed = total([Usage(**used) for used in phases.values()])
        body["usage"] = {**phases, "total": asdict(summed)}
        body["log"] = {**body["log"], **done.body["log"], **{n: v for n, v in body["log"].items() if n in ASKING}}
        body["contended"] = body["contended"] or done.body["contended"]

    def _tell_end(self, planned: PlannedCell, status: Status, reason: str | None, reused: bool) -> None:
        cell = planned.cell
        self.emit("cell.ended", cell.key, status=status, reason=reason, reused=reused, arm=planned.name, seed=cell.seed)
