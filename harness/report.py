"""Store → report document (`harness.report/1`): pure functions of what was stored; runs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from harness.budget import Spent, budget
from harness.codec import column
from harness.compare import compared
from harness.compare.tuning import trials, warnings
from harness.contracts import MeasureSpec
from harness.errors import HarnessError
from harness.evidence import CellEvidence, Evidence, TaskEvidence, read_cell
from harness.judgement import judged
from harness.learning import by_size, epochs, permuted
from harness.machine import Machine
from harness.noted import emulated, service_notes
from harness.registry import Registry
from harness.remote.machines import ELSEWHERE
from harness.request import MARGIN, PERMUTED, Asked
from harness.sound import as_document, sound
from harness.store import Store
from harness.stored import StoredRun, stored_run
from harness.terms import AFTER, Terms, changed, make_terms
from harness.types import Arm, Measurement, ModelCard, Status, not_measured

SCHEMA = "harness.report/1"


def build_report(
    store: Store,
    registry: Registry,
    run: str | None = None,
    margin: float = MARGIN,
    asked: Asked | None = None,
    today: date | None = None,
) -> dict[str, Any]:
    """The document every reporter renders; raises `UsageError` for a run that does not exist.

    Arms that differ by less than `margin` points are called equivalent. Where other criteria or prices are `asked` for
    than the run was made with, the decision says so.
    """
    stored = stored_run(store, run)
    body, task = stored.body, TaskEvidence(store, stored.task)
    terms = _terms(body, registry, asked, today or date.today())
    builder = _Builder(store, registry, stored, task, terms)
    cells = [builder.cell(planned) for planned in body["cells"]]
    table = builder.table()
    found = compared(builder.arms, margin)
    for row in table:
        row["ties"] = found.ties.get(row["arm"], [])
    return {
        "schema": SCHEMA,
        "run": {
            "id": stored.id,
            "created": stored.created,
            "task": body["task"],
            "environment": body["environment"],
            "findings": body.get("findings", []),  # runs of before have none
            "sets": {name: len(task[name]) for name in ("test", *task.extra_tests, *task.suites)},
            "unasked": body.get("unasked", {}),
            "command": body.get("command"),
            "leaving": body.get("leaving", []),
        },
        "cells": cells,
        "table": table,
        "comparisons": found.comparisons,
        "selection": found.selection,
        "doubts": warnings(builder.arms),
        **judged(
            builder.arms, table, found, margin, terms, store.latest("decision", stored.id), body.get("findings", [])
        ),
        "budget": budget(builder.spent(), terms.tariff, body["environment"]),
    }


def _terms(body: Mapping[str, Any], registry: Registry, asked: Asked | None, today: date) -> Terms:
    if "terms" not in body:  # a run of before
        made = make_terms(asked or Asked(), registry, {}, today)
        return replace(made, declared=AFTER)
    terms = Terms.from_json(body["terms"])
    return changed(terms, asked, registry, today) if asked and asked.anything else terms


@dataclass(frozen=True, slots=True)
class _End:
    """Of a planned cell, in this run or before it."""

    status: str
    reason: str | None
    usage: Mapping[str, Any]
    reused: bool


class _Builder:
    def __init__(self, store: Store, registry: Registry, stored: StoredRun, task: TaskEvidence, terms: Terms) -> None:
        self.store, self.registry, self.stored, self.task = store, registry, stored, task
        self.body = stored.body
        self.tariff, self.gpu = terms.tariff, Machine.of(self.body["environment"]).gpu
        self.evidence: dict[str, CellEvidence] = {}
        self._measured: dict[tuple[str, ...], dict[str, Any]] = {}
        self._bases: dict[tuple[str, str | None], Evidence | None] = {}
        self.arms: list[Evidence] = []
        """What `table` found to compare: arms that could be chosen, which controls could not."""
        self.ends = {planned["key"]: self._read(planned) for planned in self.body["cells"]}

    def _read(self, planned: Mapping[str, Any]) -> _End:
        """How a planned cell ended; what it answered is kept in `evidence`."""
        key, status, reason = planned["key"], planned["status"], planned["reason"]
        record = None if status == Status.SKIPPED else self.stored.end_of(self.store, key)
        if record is None:
            return _End(status, reason, {}, False)
        status, reason = record.body["status"], record.body["reason"]
        if status == Status.DONE:
            found = read_cell(self.store, record, planned["seed"], planned["assets"], self.task)
            if found is None:
                status, reason = Status.PLANNED, "its stored answers are damaged; run the same command again"
            else:
                self.evidence[key] = found
        return _End(status, reason, record.body["usage"], record.run != self.stored.id)

    def cell(self, planned: Mapping[str, Any]) -> dict[str, Any]:
        key = planned["key"]
        end, measurements = self.ends[key], {}
        if key in self.evidence:
            measurements = self._of_test(self._evidence(planned, [self.evidence[key]]))
        return {
            "key": key,
            "arm": Arm(**planned["arm"]).name,
            "seed": planned["seed"],
            "training": planned.get("training", ""),
            "status": end.status,
            "reason": end.reason,
            "reused": end.reused,
            "estimate": planned["estimate"],
            "usage": end.usage,
            "measurements": measurements,
        }

    def table(self) -> list[dict[str, Any]]:
        arms: dict[str, list[Mapping[str, Any]]] = {}
        for planned in self.body["cells"]:
            if not planned.get("training"):
                arms.setdefault(str(planned["arm"]), []).append(planned)
        rows, shown = [], []
        for cells in arms.values():
            if done := self._done(cells):
                rows.append(self._row(cells[0], cells, done))
                shown.append(cells[0])
        for row, planned in zip(rows, shown, strict=True):  # which needs the other arms
            row.update(self._learnt(planned))
        return rows

    def spent(self) -> list[Spent]:
        """Of the cells that this run ran to their end."""
        return [
            Spent(
                planned["estimate"],
                end.usage["total"],
                planned["device"],
                (planned.get("served") or planned.get("hired") or {}).get("rates"),
                is_here=not planned.get("hired"),
            )
            for planned in self.body["cells"]
            if (end := self.ends[planned["key"]]).status == Status.DONE and not end.reused and planned["estimate"]
        ]

    def _done(self, cells: Sequence[Mapping[str, Any]]) -> list[CellEvidence]:
        return [self.evidence[planned["key"]] for planned in cells if planned["key"] in self.evidence]

    def _learnt(self, arm: Mapping[str, Any]) -> dict[str, Any]:
        """What the arm's other trainings show; runs of before had none."""
        trained: dict[str, list[Mapping[str, Any]]] = {}
        for planned in self.body["cells"]:
            if planned["arm"] == arm["arm"]:
                trained.setdefault(planned.get("training", ""), []).append(planned)
        found = {id: self._evidence(arm, done) for id, cells in trained.items() if (done := self._done(cells))}
        of_all = [cell for id, each in found.items() if id.split(" ")[0] == PERMUTED for cell in each.cells]
        specs = [spec for spec in self._measures("test") if spec.name == "accuracy"]

        def accurate(evidence: Evidence) -> dict[str, Any]:
            return next(iter(self._measure(evidence, specs).values()), asdict(not_measured("no such measure")))

        return {
            "sizes": by_size(self.body.get("sizes"), found, arm["trained"], accurate),
            "permuted": permuted(
                self._evidence(arm, of_all) if of_all else None,
                PERMUTED in self.body.get("controls", ()),
                arm["trained"],
                self._untrained(arm),
                arm.get("untrained") is not None,
            ),
        }

    def _untrained(self, arm: Mapping[str, Any]) -> Evidence | None:
        """The arm that does the same without training, else the model as it is; None where neither was run."""
        own, wanted = Arm(**arm["arm"]), arm.get("untrained")
        of_model = {
            each.arm.strategy: each
            for each in self.arms
            if wanted and (each.arm.backend, each.arm.model) == (own.backend, own.model)
        }
        return next((of_model[name] for name in (wanted, "base") if name in of_model), None)

    def _row(
        self, planned: Mapping[str, Any], cells: Sequence[Mapping[str, Any]], done: list[CellEvidence]
    ) -> dict[str, Any]:
        arm = Arm(**planned["arm"])
        evidence = self._evidence(planned, done)
        if not planned["control"]:
            self.arms.append(evidence)
        notes = []
        if evidence.trained and planned["seed"] is not None and len(done) == 1:
            notes.append("this checkpoint only")
        if len(done) < len(cells):
            notes.append(f"{len(done)} of {len(cells)} seeds")
        if planned["control"]:
            notes.append("control: is told which documents hold the answers")
        notes += service_notes(evidence)
        if any(cell.contended for cell in done):
            notes.append("timed beside other cells")
        tests = {name: self._measure(evidence.focus(name), self._measures("sets")) for name in self.task.extra_tests}
        return {
            "arm": arm.name,
            "strategy": arm.strategy,
            "backend": arm.backend,
            "model": arm.model,
            "settings": dict(arm.settings),
            "seeds": [cell.seed for cell in done],
            "notes": notes,
            "trials": trials(evidence),
            "ties": [],
            "measurements": self._of_test(evidence),
            "tests": tests,
            "groups": self._groups(evidence),
            "suites": {
                name: self._measure(evidence.focus(name), self._measures("suites")) for name in self.task.suites
            },
            "epochs": epochs(done),
        }

    def _groups(self, evidence: Evidence) -> dict[str, Any]:
        """Measures per group value, on the twins where the task has them: there the groups differ in nothing else."""
        name = "twins" if "twins" in self.task else "test"
        groups: dict[str, Any] = {}
        for group in self.task.groups:
            values = sorted({found[group] for found in column(self.task[name].rows, "groups") if group in found})
            groups[group] = {
                value: self._measure(evidence.focus(name, (group, value)), self._measures("groups")) for value in values
            }
        return groups

    def _evidence(self, planned: Mapping[str, Any], cells: Sequence[CellEvidence]) -> Evidence:
        own = Arm(**planned["arm"])
        base = self._base(own) if own.strategy != "base" else None
        model = ModelCard(**planned["model"]) if planned["model"] else None
        hired = next((cell.log[ELSEWHERE] for cell in cells if ELSEWHERE in cell.log), None)
        return Evidence(
            own,
            self.task,
            tuple(cells),
            model,
            planned["device"],
            planned["trained"],
            gpu=hired["gpu"] if hired else self.gpu,
            served=planned.get("served"),
            tariff=self.tariff,
            base=base,
        )

    def _of_test(self, evidence: Evidence) -> dict[str, Any]:
        """Measured once where a cell is the whole of its arm."""
        cells = tuple(cell.key for cell in evidence.cells)
        if cells not in self._measured:
            self._measured[cells] = self._measure(evidence, self._measures("test"))
        return self._measured[cells]

    def _base(self, arm: Arm) -> Evidence | None:
        """The same model on the same backend, unadapted."""
        where = arm.backend, arm.model
        if where not in self._bases:
            cells = [each for each in self.body["cells"] if arm.based_on(Arm(**each["arm"]))]
            done = [each for each in cells if each["key"] in self.evidence]
            found = self._evidence(done[0], [self.evidence[each["key"]] for each in done]) if done else None
            self._bases[where] = found
        return self._bases[where]

    def _measures(self, scope: str) -> list[MeasureSpec]:
        return [spec for spec in self.registry.measures if scope in spec.scopes]

    def _measure(self, evidence: Evidence, specs: Sequence[MeasureSpec]) -> dict[str, Any]:
        return {spec.name: as_document(self._one(evidence, spec)) for spec in specs}

    def _one(self, evidence: Evidence, spec: MeasureSpec) -> Measurement:
        if not evidence.answered:
            return not_measured("not asked")
        try:
            return emulated(evidence, sound(spec.compute(evidence)))
        except HarnessError:
            raise
        except Exception as error:
            # One broken measure must not take the report with it; the fault is shown in its place.
            return not_measured(f"measure failed: {type(error).__name__}: {error}")
