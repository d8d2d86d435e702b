"""What the tests of a plugin bring to a run: strategies to fail and to compose with, and a look at the answers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.api import Run, run
from harness.contracts import (
    Answerer,
    BackendSpec,
    Capability,
    Context,
    Executor,
    MeasureSpec,
    Session,
    StrategySpec,
)
from harness.errors import PluginError
from harness.plugin import hookimpl
from harness.registry import Catalogue, Registry, load_registry
from harness.reporting import ReporterSpec
from harness.types import AllWeights, Answers, Example, Kind, Material, Passage, Question, Recipe, not_measured

if TYPE_CHECKING:
    from harness.evidence import Evidence
    from harness.types import Measurement

FAILING, PASSAGES, TUNING = "kit-fails", "kit-passages", "kit-tuning"
TUNES = ("tune:full", "tune:lora", "tune:qlora", "tune:hosted")
CAPABILITIES = frozenset(
    {"embed", "score"} | {f"{verb}:{kind}" for verb in ("answer", "read", *TUNES) for kind in Kind}
)
"""Whatever a backend may offer and a strategy may need."""


class Failing:
    """Uses the session, then fails."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        answer([example.question for example in material.train])
        raise PluginError("this strategy always fails")


class Passages:
    """Gives every question the first document to read."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        document = material.documents[0]
        passages = (Passage(document.id, document.text),)

        def given(question: Question) -> Question:
            return replace(question, passages=passages, reading=0.5)

        def with_passages(examples: Iterable[Example]) -> tuple[Example, ...]:
            return tuple(replace(example, question=given(example.question)) for example in examples)

        read = replace(material, train=with_passages(material.train), validation=with_passages(material.validation))
        return read, lambda questions: answer([given(question) for question in questions])


class Tuning:
    """Trains all weights, for an epoch."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        assert session is not None
        recipe = Recipe(AllWeights(), 1, 1e-4, 4, 0.0, 0.0, 1, 64, context.seed)
        session.tune(material.train, material.validation, recipe, context.progress)
        return material, answer


class Helpers:
    """A plugin that offers these strategies."""

    @hookimpl
    def harness_strategies(self) -> Iterable[StrategySpec]:
        def answers(kind: Kind) -> frozenset[Capability]:
            return frozenset({f"answer:{kind}"})

        def tunes(kind: Kind) -> frozenset[Capability]:
            return frozenset({f"tune:full:{kind}"})

        where = __name__
        return [
            StrategySpec(FAILING, "fails", "answerer", f"{where}:Failing", answers, composes=False, default=False),
            StrategySpec(PASSAGES, "reads the first document", "context", f"{where}:Passages", default=False),
            StrategySpec(TUNING, "trains for an epoch", "weights", f"{where}:Tuning", tunes, default=False),
        ]


@dataclass
class Witness:
    """A plugin whose one measure measures nothing and keeps the evidence of every arm."""

    seen: dict[str, Evidence] = field(default_factory=dict)

    @hookimpl
    def harness_measures(self) -> Iterable[MeasureSpec]:
        return [MeasureSpec("kit_answers", "keeps the evidence", self._keep)]

    def _keep(self, evidence: Evidence) -> Measurement:
        self.seen[evidence.arm.name] = evidence
        return not_measured("only looked at")


Scores = Mapping[tuple[str, int, str], tuple[float, ...]]
"""(question set, cell, question) -> score of each choice, rounded."""


@dataclass(frozen=True)
class Tried:
    """A run and what was answered in it."""

    run: Run
    seen: Mapping[str, Evidence]

    def scores(self, arm: str, *, digits: int = 4) -> Scores:
        """Of all question sets that the arm was asked."""
        evidence = self.seen[arm]
        return {
            (name, number, row.question.id): tuple(round(float(score), digits) for score in scores)
            for number, cell in enumerate(evidence.cells)
            for name, answers in cell.answers.items()
            for row, scores in zip(evidence.task[name].rows, answers.scores, strict=True)
        }

    def answers(self, arm: str) -> Answers:
        """Of the first cell, to the test set."""
        return self.seen[arm].cells[0].answers["test"]


def tried(
    task: Path,
    strategies: Iterable[str],
    spec: BackendSpec,
    store: Path,
    executor: Executor | None,
    plugins: Iterable[tuple[str, object]] = (),
    **options: Any,
) -> Tried:
    """Run strategies on one backend in processes of their own, and see what they answered."""
    from harness.testing.fake import FakePlugin

    witness = Witness()
    given = (("tested-backend", FakePlugin(spec)), ("helpers", Helpers()), ("witness", witness), *plugins)
    finished = run(
        task,
        strategies=list(strategies),
        backends=[spec.name],
        store=store,
        registry=registry_with(*given),
        executor=executor,
        **options,
    )
    return Tried(finished, witness.seen)


def registry_with(*given: tuple[str, object]) -> Registry:
    """What is installed, and plugins given in code where they offer what is not installed already."""
    installed = load_registry()
    catalogues: dict[str, Catalogue[Any]] = {
        "harness_backends": installed.backends,
        "harness_strategies": installed.strategies,
        "harness_measures": installed.measures,
        "harness_reporters": installed.reporters,
    }
    new = []
    for name, plugin in given:
        offers = [(hook, getattr(plugin, hook)()) for hook in catalogues if hasattr(plugin, hook)]
        if not all(spec.name in catalogues[hook].specs for hook, specs in offers for spec in specs):
            new.append((name, plugin))
    return load_registry(new)


class Offering:
    """A plugin around specs that are given in code."""

    def __init__(self, *specs: StrategySpec | ReporterSpec | MeasureSpec) -> None:
        self.specs = specs

    @hookimpl
    def harness_strategies(self) -> Iterable[StrategySpec]:
        return [spec for spec in self.specs if isinstance(spec, StrategySpec)]

    @hookimpl
    def harness_measures(self) -> Iterable[MeasureSpec]:
        return [spec for spec in self.specs if isinstance(spec, MeasureSpec)]

    @hookimpl
    def harness_reporters(self) -> Iterable[ReporterSpec]:
        return [spec for spec in self.specs if isinstance(spec, ReporterSpec)]
