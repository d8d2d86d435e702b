"""Request × registry × task → plan: every cell, run or skipped with its reason, priced, nothing loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import Any

from harness.codec import column
from harness.contracts import AssetSpec, BackendSpec, StrategySpec
from harness.errors import HarnessError, UsageError
from harness.estimate import CPU_FLOPS_PER_S, Sizes, estimate, sizes
from harness.held import held_texts
from harness.keys import digest
from harness.machine import Machine
from harness.naming import NO_BACKEND
from harness.planned import Cell, Place, PlannedAsset, PlannedCell
from harness.prices import ON_GPU
from harness.registry import Registry, is_there, require
from harness.request import (
    Request,
    Strategy,
    default_strategies,
    models_for,
    parse_strategy,
    place_of,
    resolve_settings,
    searched,
    settings_of,
)
from harness.sampling import asked_sets, limited
from harness.search import Space, space_of
from harness.shaping import core_hash
from harness.suites import with_suites
from harness.terms import Terms, make_terms
from harness.trainings import Training, asked
from harness.twins import with_twins
from harness.types import Arm, ModelCard, QuestionSet, Status, Task


@dataclass(frozen=True, slots=True)
class Plan:
    request: Request
    task: Task
    """As limited by the request."""
    sets: Mapping[str, QuestionSet]
    """Every set that is asked: test sets, twins, and samples of train and validation."""
    cells: tuple[PlannedCell, ...]
    terms: Terms
    held: tuple[str, ...] = ()
    """Texts that are read before and after training."""
    unasked: Mapping[str, str] = field(default_factory=dict)
    """Suite -> why no arm can answer it."""
    trainings: tuple[Training, ...] = ()
    """What cells are trained on beside the task's own training questions."""

    def asked(self, planned: PlannedCell) -> Mapping[str, QuestionSet]:
        """The sets that a cell is asked: what is not trained on the task's own questions, the tests alone."""
        return tests(self.task) if planned.training else self.sets

    def preload(self, planned: PlannedCell) -> tuple[str, ...]:
        """One zygote for all cells of a backend, with whatever any of them wants imported."""
        wanted = list(planned.backend.preload) if planned.backend else []
        if self.request.trials:
            wanted.append("optuna")
        for other in self.cells:
            if other.backend is planned.backend and other.cell.status is not Status.SKIPPED:
                wanted += [module for step in other.steps for module in step.preload]
        return tuple(dict.fromkeys(wanted))

    @property
    def assets(self) -> tuple[PlannedAsset, ...]:
        needed = {a.key: a for c in self.cells if c.cell.status is Status.PLANNED for a in c.assets}
        return tuple(needed.values())


def make_plan(
    request: Request,
    registry: Registry,
    task: Task,
    suites: Sequence[Task] = (),
    rates: Mapping[str, float] | None = None,
) -> Plan:
    """`rates`: backend -> FLOPs a second that were seen here before.

    Raises `UsageError` for a name that does not exist; what cannot run is planned as skipped."""
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
    terms = make_terms(request.asked, registry, task.criteria, date.today())
    place = place_of(registry, request.on) if request.on else None
    planner = _Planner(request, registry, task, sets, given, held, terms, rates or {}, place)
    cells: dict[str, PlannedCell] = {}
    for strategy in strategies:
        for planned in planner.cells(strategy):
            cells.setdefault(planned.cell.key, planned)
    trainings = asked(task, request.sizes, request.controls, request.seeds)
    for training in trainings:
        planner = _Planner(request, registry, task, tests(task), given, (), terms, rates or {}, place, training)
        for strategy in strategies:
            for planned in planner.cells(strategy):
                # What cannot run at all is told once, of the arm.
                if planned.trains and planned.cell.status is Status.PLANNED:
                    cells.setdefault(planned.cell.key, planned)
    return Plan(request, task, sets, tuple(cells.values()), terms, held, unasked, tuple(trainings))


def tests(task: Task) -> dict[str, QuestionSet]:
    return {"test": task.test, **task.extra_tests}


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
        held: Sequence[str],
        terms: Terms,
        rates: Mapping[str, float],
        place: Place | None,
        training: Training | None = None,
    ) -> None:
        self.request, self.registry, self.sets, self.given = request, registry, sets, given
        self.tariff, self.rates, self.place = terms.tariff, rates, place
        self.held = digest(held) if held else None
        self.whole, self.training = task, training
        self.task = training.of(task) if training else task
        self.core = core_hash()

    @cached_property
    def sizes(self) -> Sizes:
        return sizes(self.task, self.sets)

    def cells(self, strategy: Strategy) -> list[PlannedCell]:
        settings = settings_of(strategy.steps, {**self.given, **strategy.settings})
        if not strategy.needs_model:
            return self._seeds(strategy, settings, None, NO_BACKEND, None, None)
        planned = []
        for name in self._backends():
            backend = self.registry.backends.get(name)
            models = models_for(self.registry, name, self.request.models)
            if not models:
                unnamed = f"no model is named for it: --model {name}:NAME"
                planned += self._seeds(strategy, settings, backend, name, None, unnamed)
            for model in models:
                try:
                    if self._place(backend) is None:
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
            spec.name for spec in self.registry.backends if spec.service is None and all(map(is_there, spec.requires))
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
        service = backend.service if backend else None
        rented = bool(service and card and service.rented(card.id))
        deployed = bool(service and service.deployments)
        if trials and (rented or (deployed and any(step.role == "weights" for step in strategy.steps))):
            reason = reason or "each trial would deploy it anew, which is charged by the hour: not with --trials"
        held_by = self._held_by(strategy, backend, card)
        seeds: Sequence[int | None] = self.request.seeds if strategy.seeded else [None]
        training = self.training.id if self.training else ""
        if self.training and self.training.seed is not None:
            seeds = [self.training.seed]
        cells = []
        for seed in seeds:
            key = self._key(strategy, settings, backend, card, model, seed, assets, space, held_by)
            status = Status.SKIPPED if reason else Status.PLANNED
            expected = (
                None
                if reason
                else estimate(
                    self.sizes,
                    strategy.steps,
                    settings,
                    card,
                    self._rate(backend),
                    trials,
                    deployed=deployed,
                    rented=rented,
                )
            )
            cell = Cell(key, arm, seed, status, reason, expected)
            place = self._place(backend)
            cells.append(PlannedCell(cell, strategy.steps, backend, card, assets, space, held_by, training, place))
        return cells

    def _place(self, backend: BackendSpec | None) -> Place | None:
        """Where it is done, if not here: what runs no model stays, and so does what asks a service."""
        return self.place if backend is not None and backend.service is None else None

    def _device(self, backend: BackendSpec) -> str:
        place = self._place(backend)
        return place.flavor.device if place else backend.device()

    def _rate(self, backend: BackendSpec | None) -> float:
        """FLOPs a second: as seen here before; else of the GPU that would run, by its maker; else of a small CPU."""
        if backend is None:
            return CPU_FLOPS_PER_S
        place = self._place(backend)
        name = place.flavor.gpu if place else Machine.here().gpu if backend.device() == ON_GPU else None
        gpu = self.tariff.book.known(name) if self.tariff and name else None
        unseen = gpu.peak_flops * gpu.utilisation if gpu else CPU_FLOPS_PER_S
        return unseen if place else self.rates.get(backend.name, unseen)

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
                "device": self._device(backend) if backend else "cpu",
                "seed": seed,
                "assets": [[asset.spec.name, asset.identity] for asset in assets],
                "plugins": {name: self.registry.source_of(name) for name in sorted(plugins)},
                "trials": [self.request.trials, space] if space else None,
                "held": [held_by, self.held] if held_by else None,
            }
        )
