"""Request × registry × task → plan: every cell, run or skipped with its reason, priced, nothing loaded."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import harness
from harness.codec import column, packed
from harness.contracts import AssetSpec, BackendSpec, StrategySpec
from harness.errors import HarnessError, UsageError
from harness.estimate import Sizes, estimate, sizes
from harness.keys import digest, digest_all, source_hash
from harness.planned import PlannedAsset, PlannedCell
from harness.registry import Registry, require
from harness.request import (
    Request,
    Strategy,
    default_strategies,
    models_for,
    parse_strategy,
    resolve_settings,
    settings_of,
)
from harness.trainings import Training, asked
from harness.types import Arm, Cell, ModelCard, QuestionSet, Row, Status, Task

SHAPING = (
    *("checks.py", "codec.py", "flops.py", "items.py", "kinds.py", "models.py", "prompts.py", "session.py"),
    *("training.py", "worker.py"),
)
"""Modules of the core that shape answers and counts; a change in any other leaves stored results valid."""
SAMPLE_ROWS = 2_000
"""At most this many training and validation rows are asked for the overfitting gap."""


@dataclass(frozen=True, slots=True)
class Plan:
    request: Request
    task: Task
    """As limited by the request."""
    sets: Mapping[str, QuestionSet]
    """Every set that is asked: test sets, twins, and samples of train and validation."""
    cells: tuple[PlannedCell, ...]
    trainings: tuple[Training, ...] = ()
    """What cells are trained on beside the task's own training questions."""

    def asked(self, planned: PlannedCell) -> Mapping[str, QuestionSet]:
        """The sets that a cell is asked: what is not trained on the task's own questions, the tests alone."""
        return tests(self.task) if planned.training else self.sets

    @property
    def assets(self) -> tuple[PlannedAsset, ...]:
        needed = {a.key: a for c in self.cells if c.cell.status is Status.PLANNED for a in c.assets}
        return tuple(needed.values())


def make_plan(request: Request, registry: Registry, task: Task) -> Plan:
    """Raises `UsageError` for a name that does not exist; what cannot run is planned as skipped."""
    given = resolve_settings(registry, request.settings)
    strategies = [parse_strategy(registry, name) for name in request.strategies] or default_strategies(registry)
    task = limited(task, request.limit, request.per_label)
    sets = asked_sets(task)
    planner = _Planner(request, registry, task, sets, given)
    cells: dict[str, PlannedCell] = {}
    for strategy in strategies:
        for planned in planner.cells(strategy):
            cells.setdefault(planned.cell.key, planned)
    trainings = asked(task, request.sizes, request.controls, request.seeds)
    for training in trainings:
        planner = _Planner(request, registry, task, tests(task), given, training)
        for strategy in strategies:
            for planned in planner.cells(strategy):
                # What cannot run at all is told once, of the arm.
                if planned.trains and planned.cell.status is Status.PLANNED:
                    cells.setdefault(planned.cell.key, planned)
    return Plan(request, task, sets, tuple(cells.values()), tuple(trainings))


def tests(task: Task) -> dict[str, QuestionSet]:
    return {"test": task.test, **task.extra_tests}


def limited(task: Task, limit: int | None, per_label: int | None = None) -> Task:
    """The task with at most `limit` rows per set, chosen by whole clusters (twins: whole twin sets).

    `per_label` leaves so many rows of each label to train and to validate on; test sets stay whole.
    """
    if per_label is not None and not task.labels:
        raise UsageError(
            f"--per-label needs a task with labels; the questions of {task.name!r} bring their own choices"
        )
    if limit is None and per_label is None:
        return task

    def few(found: QuestionSet | None) -> QuestionSet | None:
        return found if found is None or per_label is None else of_each_label(found, per_label)

    def cut(found: QuestionSet | None) -> QuestionSet | None:
        return found if found is None or limit is None else sample(found, limit)

    def kept(found: QuestionSet) -> QuestionSet:
        return found if limit is None else sample(found, limit)

    return replace(
        task,
        train=cut(few(task.train)),
        validation=cut(few(task.validation)),
        test=kept(task.test),
        extra_tests={name: kept(found) for name, found in task.extra_tests.items()},
        twins=cut(task.twins),
        fingerprint=digest([task.fingerprint, limit, per_label]),
    )


def of_each_label(found: QuestionSet, most: int) -> QuestionSet:
    """At most `most` rows of each label, in an order that depends on their ids alone; rows keep their order."""
    counts: Counter[int] = Counter()
    kept = set()
    named = [(row.question.id, row.gold) for row in found.rows]
    for id, gold in sorted(named, key=lambda row: digest(["sample", row[0]])):
        counts[gold] += 1
        if counts[gold] <= most:
            kept.add(id)
    return _part(found, lambda row: row.question.id in kept)


def sample(found: QuestionSet, most: int) -> QuestionSet:
    """At most `most` rows, by whole clusters in an order that depends on their names alone.

    A cluster is cut only if it alone is larger than `most`; rows keep their order.
    """
    if len(found) <= most:
        return found
    tied = Counter(map(_tied, found.rows))
    kept, rows = set(), 0
    for name in sorted(tied, key=lambda cluster: digest(["sample", cluster])):
        if rows + tied[name] <= most:
            kept.add(name)
            rows += tied[name]
    if not kept:
        first = {row.question.id for row in found.rows[:most]}
        return _part(found, lambda row: row.question.id in first)
    return _part(found, lambda row: _tied(row) in kept)


def _tied(row: Row) -> str:
    """What stays together in a sample."""
    return row.twin or row.cluster


def _part(found: QuestionSet, kept: Callable[[Row], bool]) -> QuestionSet:
    rows = packed(filter(kept, found.rows))
    return QuestionSet(found.name, rows, digest([found.fingerprint, digest_all(row.question.id for row in rows)]))


def asked_sets(task: Task) -> dict[str, QuestionSet]:
    sets = dict(task.question_sets)
    for name, found in (("train", task.train), ("validation", task.validation)):
        if found is not None:
            sets[f"{name}_sample"] = sample(found, SAMPLE_ROWS)
    return sets


def _texts(task: Task) -> dict[str, QuestionSet]:
    own = {"train": task.train, "validation": task.validation, **task.question_sets}
    return {name: found for name, found in own.items() if found is not None}


class _Planner:
    def __init__(
        self,
        request: Request,
        registry: Registry,
        task: Task,
        sets: Mapping[str, QuestionSet],
        given: Mapping[str, Any],
        training: Training | None = None,
    ) -> None:
        self.request, self.registry, self.sets, self.given = request, registry, sets, given
        self.whole, self.training = task, training
        self.task = training.of(task) if training else task
        self.core = source_hash(Path(harness.__file__).parent, SHAPING)

    @cached_property
    def sizes(self) -> Sizes:
        return sizes(self.task, self.sets)

    def cells(self, strategy: Strategy) -> list[PlannedCell]:
        settings = settings_of(strategy.steps, {**self.given, **strategy.settings})
        if not strategy.needs_model:
            return self._seeds(strategy, settings, None, "none", None, None)
        planned = []
        for name in self._backends():
            backend = self.registry.backends.get(name)
            for model in models_for(self.registry, name, self.request.models):
                try:
                    require(name, backend.requires, backend.extra)
                    card, problem = backend.describe(model), None
                except HarnessError as error:
                    card, problem = None, str(error)
                planned += self._seeds(strategy, settings, backend, name, card, problem, model)
        return planned

    def _backends(self) -> Sequence[str]:
        if self.request.backends:
            return self.request.backends
        installed = [
            spec.name
            for spec in self.registry.backends
            if all(importlib.util.find_spec(module) is not None for module in spec.requires)
        ]
        return installed or list(self.registry.backends.specs)

    def _seeds(
        self,
        strategy: Strategy,
        settings: Mapping[str, Any],
        backend: BackendSpec | None,
        backend_name: str,
        card: ModelCard | None,
        problem: str | None,
        model: str | None = None,
    ) -> list[PlannedCell]:
        arm = Arm(strategy.name, backend_name, model, settings)
        try:
            assets = self._assets(strategy, settings)
        except HarnessError as error:
            assets, problem = (), str(error)
        reason = problem or self._missing(strategy, backend, card, assets)
        seeds: Sequence[int | None] = self.request.seeds if strategy.seeded else [None]
        training = self.training.id if self.training else ""
        if self.training and self.training.seed is not None:
            seeds = [self.training.seed]
        cells = []
        for seed in seeds:
            key = self._key(strategy, settings, backend, card, model, seed, assets)
            status = Status.SKIPPED if reason else Status.PLANNED
            expected = None if reason else estimate(self.sizes, strategy.steps, settings, card)
            cell = Cell(key, arm, seed, status, reason, expected)
            cells.append(PlannedCell(cell, strategy.steps, backend, card, assets, training))
        return cells

    def _missing(
        self,
        strategy: Strategy,
        backend: BackendSpec | None,
        card: ModelCard | None,
        assets: Sequence[PlannedAsset],
    ) -> str | None:
        """Why a cell cannot run, or None."""
        if any(step.needs_training for step in strategy.steps) and self.task.train is None:
            return "the task has no training questions"
        if any(step.needs_documents for step in strategy.steps) and not self.task.documents:
            return "the task has no documents to retrieve from"
        if any(asset.is_control for asset in assets) and not any(column(self.task.test.rows, "evidence")):
            return "the task does not say which documents hold the answers (fields.evidence)"
        if backend is None or card is None:
            return None
        needs = {need for step in strategy.steps for need in step.needs(self.task.kind)}
        if any(step.role == "weights" for step in strategy.steps):
            needs = {need for need in needs if not need.startswith("answer:")}
        missing = sorted(needs - backend.offers(card))
        if not missing:
            return None
        why = "; ".join(dict.fromkeys(filter(None, (backend.why_not(card, need) for need in missing))))
        return f"{backend.name} does not offer {', '.join(missing)} for {card.id}" + (f": {why}" if why else "")

    def _assets(self, strategy: Strategy, settings: Mapping[str, Any]) -> tuple[PlannedAsset, ...]:
        """Raises `HarnessError` where an asset cannot be made as it is set."""
        return tuple(self._asset(step, asset, settings) for step in strategy.steps for asset in step.assets)

    def _asset(self, step: StrategySpec, spec: AssetSpec, settings: Mapping[str, Any]) -> PlannedAsset:
        own = {k.split(".", 1)[1]: v for k, v in settings.items() if k.startswith(f"{step.name}.")}
        relevant = {name: own[name] for name in spec.settings}
        identity = spec.identity(relevant)
        # Passages of documents are found for all questions at once, whichever of them are trained on.
        training = self.training.id if self.training and step.needs_training else ""
        key = digest(
            {
                "asset": spec.name,
                "settings": relevant,
                "identity": identity,
                "documents": self.task.documents_fingerprint,
                "sets": sorted(found.fingerprint for found in _texts(self.task if training else self.whole).values()),
                "source": self.registry.source_of(self.registry.strategies.plugins[step.name]),
            }
        )
        return PlannedAsset(key, spec, relevant, identity, training)

    def _key(
        self,
        strategy: Strategy,
        settings: Mapping[str, Any],
        backend: BackendSpec | None,
        card: ModelCard | None,
        model: str | None,
        seed: int | None,
        assets: Sequence[PlannedAsset],
    ) -> str:
        task = self.task
        plugins = {self.registry.strategies.plugins[step.name] for step in strategy.steps}
        if backend is not None:
            plugins.add(self.registry.backends.plugins[backend.name])
        return digest(
            {
                "core": self.core,
                "kind": task.kind,
                "labels": task.labels,
                "train": task.train.fingerprint if task.train else None,
                "validation": task.validation.fingerprint if task.validation else None,
                "documents": task.documents_fingerprint,
                "strategy": [step.name for step in strategy.steps],
                "settings": dict(settings),
                "backend": backend.name if backend else None,
                "model": [model, card.revision if card else None],
                "device": backend.device() if backend else "cpu",
                "seed": seed,
                "assets": [[asset.spec.name, asset.identity] for asset in assets],
                "plugins": {name: self.registry.source_of(name) for name in sorted(plugins)},
            }
        )
