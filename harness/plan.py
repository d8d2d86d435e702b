"""Request × registry × task → plan: every cell, run or skipped with its reason, priced, nothing loaded."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import harness
from harness.codec import column
from harness.contracts import AssetSpec, BackendSpec, StrategySpec
from harness.errors import HarnessError, UsageError
from harness.estimate import Sizes, estimate, sizes
from harness.held import held_texts
from harness.keys import digest, source_hash
from harness.registry import Registry, require
from harness.request import (
    Request,
    Strategy,
    default_strategies,
    models_for,
    parse_strategy,
    resolve_settings,
    searched,
    settings_of,
)
from harness.sampling import asked_sets, limited
from harness.search import Space, space_of
from harness.suites import with_suites
from harness.twins import with_twins
from harness.types import Arm, Cell, ModelCard, QuestionSet, Status, Task

SHAPING = (
    *("checks.py", "codec.py", "flops.py", "items.py", "kinds.py", "models.py", "prompts.py", "session.py"),
    *("cell.py", "search.py", "training.py", "worker.py"),
)
"""Modules of the core that shape answers and counts; a change in any other leaves stored results valid."""


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    key: str
    """Of all that it holds, the questions asked included: another test set needs another asset."""
    spec: AssetSpec
    settings: Mapping[str, Any]
    identity: str
    """With the settings, what an adaptation that reads it is keyed by: not the questions asked."""

    @property
    def is_control(self) -> bool:
        return self.spec.sees_evidence(self.settings)


@dataclass(frozen=True, slots=True)
class PlannedCell:
    cell: Cell
    steps: tuple[StrategySpec, ...]
    backend: BackendSpec | None
    model: ModelCard | None
    assets: tuple[PlannedAsset, ...]
    space: Space
    """What its trials search; empty where there are none."""
    held_by: str | None
    """The capability by which a held text set is read before and after training; None where it is not."""


@dataclass(frozen=True, slots=True)
class Plan:
    request: Request
    task: Task
    """As limited by the request."""
    sets: Mapping[str, QuestionSet]
    """Every set that is asked: test sets, twins, and samples of train and validation."""
    cells: tuple[PlannedCell, ...]
    held: tuple[str, ...] = ()
    """Texts that are read before and after training."""
    unasked: Mapping[str, str] = field(default_factory=dict)
    """Suite -> why no arm can answer it."""

    @property
    def assets(self) -> tuple[PlannedAsset, ...]:
        needed = {a.key: a for c in self.cells if c.cell.status is Status.PLANNED for a in c.assets}
        return tuple(needed.values())


def make_plan(request: Request, registry: Registry, task: Task, suites: Sequence[Task] = ()) -> Plan:
    """Raises `UsageError` for a name that does not exist; what cannot run is planned as skipped."""
    given = resolve_settings(registry, request.settings)
    strategies = [parse_strategy(registry, name) for name in request.strategies] or default_strategies(registry)
    task, unasked = with_suites(with_twins(task, request.twins), suites)
    task = limited(task, request.limit, request.per_label)
    held = held_texts(request.held) if request.held else ()
    if request.trials:
        require("--trials", ("optuna",), "trials")
    if request.trials and not task.validation:
        raise UsageError(f"--trials chooses on validation, and {task.name!r} has no validation questions")
    sets = asked_sets(task)
    planner = _Planner(request, registry, task, sets, given, held)
    cells: dict[str, PlannedCell] = {}
    for strategy in strategies:
        for planned in planner.cells(strategy):
            cells.setdefault(planned.cell.key, planned)
    return Plan(request, task, sets, tuple(cells.values()), held, unasked)


class _Planner:
    def __init__(
        self,
        request: Request,
        registry: Registry,
        task: Task,
        sets: Mapping[str, QuestionSet],
        given: Mapping[str, Any],
        held: Sequence[str],
    ) -> None:
        self.request, self.registry, self.task, self.sets, self.given = request, registry, task, sets, given
        self.held = digest(held) if held else None
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

    def _space(self, strategy: Strategy) -> Space:
        if not self.request.trials:
            return {}
        found = searched(strategy.steps, {**self.given, **strategy.settings})
        return {name: space_of(setting) for name, setting in found.items()}

    def _held_by(self, strategy: Strategy, backend: BackendSpec | None, card: ModelCard | None) -> str | None:
        if self.held is None or backend is None or card is None:
            return None
        if not any(step.role == "weights" for step in strategy.steps):
            return None
        offered = backend.offers(card)
        return next((verb for verb in ("score", "embed") if verb in offered), None)

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
        space = self._space(strategy)
        trials = self.request.trials if space else 0
        held_by = self._held_by(strategy, backend, card)
        seeds: Sequence[int | None] = self.request.seeds if strategy.seeded else [None]
        cells = []
        for seed in seeds:
            key = self._key(strategy, settings, backend, card, model, seed, assets, space, held_by)
            status = Status.SKIPPED if reason else Status.PLANNED
            expected = None if reason else estimate(self.sizes, strategy.steps, settings, card, trials)
            cell = Cell(key, arm, seed, status, reason, expected)
            cells.append(PlannedCell(cell, strategy.steps, backend, card, assets, space, held_by))
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
        key = digest(
            {
                "asset": spec.name,
                "settings": relevant,
                "identity": identity,
                "documents": self.task.documents_fingerprint,
                "sets": sorted(found.fingerprint for found in self._texts().values()),
                "source": self.registry.source_of(self.registry.strategies.plugins[step.name]),
            }
        )
        return PlannedAsset(key, spec, relevant, identity)

    def _texts(self) -> dict[str, QuestionSet]:
        own = {"train": self.task.train, "validation": self.task.validation, **self.task.question_sets}
        return {name: found for name, found in own.items() if found is not None}

    def _key(
        self,
        strategy: Strategy,
        settings: Mapping[str, Any],
        backend: BackendSpec | None,
        card: ModelCard | None,
        model: str | None,
        seed: int | None,
        assets: Sequence[PlannedAsset],
        space: Space,
        held_by: str | None,
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
                "trials": [self.request.trials, space] if space else None,
                "held": [held_by, self.held] if held_by else None,
            }
        )
