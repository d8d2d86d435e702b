"""What every strategy must do: inherit `StrategyKit`, name the spec, run pytest."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.contracts import BackendSpec, Executor, Setting, StrategySpec
from harness.errors import UsageError
from harness.later import resolve
from harness.naming import NO_BACKEND
from harness.plan import make_plan
from harness.planned import PlannedCell
from harness.registry import Registry
from harness.request import NAME_ORDER, Request, settings_of
from harness.taskfile import load_task
from harness.testing.fake import FakePlugin, fake_spec
from harness.testing.running import CAPABILITIES, PASSAGES, TUNING, Helpers, Offering, Tried, registry_with, tried
from harness.testing.tiny import bare, regraded, reordered, tiny_task
from harness.types import Kind, Status


class StrategyKit:
    """Inherit it and set `spec`; it is tried on the fake backend, on a task of a few facts."""

    spec: ClassVar[StrategySpec]
    settings: ClassVar[str] = ""
    """Settings it is tried with, as a run names them: `retriever=bm25:k=3`."""
    backend: ClassVar[BackendSpec] = fake_spec()

    @pytest.fixture
    def executor(self) -> Executor | None:
        """Where cells run; None: processes of each run's own."""
        return None

    @pytest.fixture
    def task(self, tmp_path: Path) -> Path:
        folder = tmp_path / "task"
        folder.mkdir()
        return tiny_task(folder)

    @pytest.fixture
    def first(self, task: Path, tmp_path: Path, executor: Executor | None) -> Tried:
        """The run that others are compared with; its adaptation is kept."""
        return self._tried(task, tmp_path / "store", executor, keep="all")

    # -- the spec ------------------------------------------------------------------------------------------

    def test_its_spec_can_be_used(self) -> None:
        spec = self.spec
        assert callable(getattr(resolve(spec.load)(), "apply", None)), f"{spec.load} gave nothing that can be applied"
        assert spec.role in NAME_ORDER, f"role {spec.role!r} is none of {', '.join(NAME_ORDER)}"
        assert not set(spec.name) & set("+:,@= "), f"{spec.name!r} holds a character that joins names"
        for kind in Kind:
            unknown = sorted(spec.needs(kind) - CAPABILITIES)
            assert not unknown, f"no backend offers {', '.join(unknown)}; known: {', '.join(sorted(CAPABILITIES))}"
        defaults = settings_of([spec], {})
        for name, setting in spec.settings.items():
            value = defaults[f"{spec.name}.{name}"]
            number = isinstance(value, int | float) and not isinstance(value, bool)
            assert not number or (setting.low or -math.inf) <= value <= (setting.high or math.inf), f"{name}={value}"
            assert not setting.choices or value in setting.choices, f"{name}={value} is none of {setting.choices}"

    def test_its_spaces_hold_what_its_settings_may_be(self) -> None:
        for name, setting in self.spec.settings.items():
            for end in _ends(setting):
                assert setting.low is None or end >= setting.low, f"{name} may not be {end}"
                assert setting.high is None or end <= setting.high, f"{name} may not be {end}"

    def test_a_seed_makes_a_cell_only_where_it_changes_something(self, task: Path) -> None:
        seeds = [planned.cell.seed for planned in self._planned(task, seeds=(0, 1))]
        assert seeds == ([0, 1] if self.spec.seeded else [None])

    # -- what it lacks -------------------------------------------------------------------------------------

    def test_without_what_it_needs_it_is_skipped_and_says_why(self, task: Path) -> None:
        lacks = {"documents": self.spec.needs_documents, "train": self.spec.needs_training}
        for part in (part for part, needed in lacks.items() if needed):
            (planned,) = self._planned(bare(task, part))
            assert planned.cell.status is Status.SKIPPED, f"without {part} it must be skipped"
            assert planned.cell.reason
        if self.spec.needs_model and self.spec.needs(Kind.CHOICE):
            nothing = fake_spec("nothing", offers=lambda card: frozenset())
            (planned,) = self._planned(task, backend=nothing)
            assert planned.cell.status is Status.SKIPPED
            assert "nothing does not offer" in (planned.cell.reason or "")

    def test_it_never_passes_for_the_base_model(self, task: Path, tmp_path: Path, executor: Executor | None) -> None:
        """On a task without training questions and documents it is skipped, or does what its name says."""
        nothing = bare(task, "train", "documents")
        found = self._tried(nothing, tmp_path / "store", executor, strategies=("base",))
        (cell,) = (cell for cell in found.run.report["cells"] if cell["arm"] == self._arm())
        assert cell["status"] in ("done", "skipped"), f"{cell['reason']}: say what it needs (needs_training, ...)"
        if cell["status"] == "done" and self.spec.role != "answerer":
            base = found.scores(f"base@{self.backend.name}:{self.backend.default_model}")
            assert found.scores(cell["arm"]) != base, (
                "with nothing to work with it answers as the base model does, in a row of its own; say what it needs "
                "(needs_training, needs_documents)"
            )

    # -- what it answers -----------------------------------------------------------------------------------

    def test_it_answers_every_set(self, first: Tried) -> None:
        assert {"test", "unseen_facts", "twins", "train_sample"} <= {name for name, _, _ in first.scores(self._arm())}

    def test_gold_of_a_test_changes_nothing(
        self, first: Tried, task: Path, tmp_path: Path, executor: Executor | None
    ) -> None:
        again = self._tried(regraded(task), tmp_path / "elsewhere", executor)
        assert again.scores(self._arm()) == first.scores(self._arm()), (
            "with other gold answers in the test sets it answers differently: it has seen them"
        )

    def test_the_same_seed_gives_the_same_answers(
        self, first: Tried, task: Path, tmp_path: Path, executor: Executor | None
    ) -> None:
        again = self._tried(task, tmp_path / "elsewhere", executor)
        assert again.scores(self._arm()) == first.scores(self._arm()), (
            "two runs with one seed differ; whatever is random must come from context.seed"
        )

    def test_answers_do_not_depend_on_order_or_company(
        self, first: Tried, task: Path, tmp_path: Path, executor: Executor | None
    ) -> None:
        again = self._tried(reordered(task), tmp_path / "elsewhere", executor).scores(self._arm())
        before = first.scores(self._arm())
        changed = sorted({id for (name, cell, id), scores in again.items() if before[name, cell, id] != scores})
        assert not changed, f"in another order, with fewer others, these are answered differently: {', '.join(changed)}"

    # -- again ---------------------------------------------------------------------------------------------

    def test_the_same_command_repeats_nothing(
        self, first: Tried, task: Path, tmp_path: Path, executor: Executor | None
    ) -> None:
        again = self._tried(task, tmp_path / "store", executor, keep="all")
        assert all(cell["reused"] for cell in again.run.report["cells"]), "the second run did the work again"
        assert again.scores(self._arm()) == first.scores(self._arm())

    def test_a_kept_adaptation_answers_a_new_test_the_same(
        self, first: Tried, task: Path, tmp_path: Path, executor: Executor | None
    ) -> None:
        again = self._tried(regraded(task), tmp_path / "store", executor, keep="all")
        assert again.scores(self._arm()) == first.scores(self._arm()), (
            "opened again it answers differently; a step saves what it learnt (context.record, context.keep) and finds "
            "it (context.recall, context.kept)"
        )

    def test_it_composes(self, first: Tried, task: Path, tmp_path: Path, executor: Executor | None) -> None:
        other = TUNING if self.spec.role == "context" else PASSAGES
        joined = f"{self._name()}+{other}"
        if not self.spec.composes:
            with pytest.raises(UsageError, match="does not compose"):
                self._planned(task, strategies=(joined,))
            return
        found = self._tried(task, tmp_path / "elsewhere", executor, named=joined)
        (arm,) = found.seen
        if other == PASSAGES:
            assert any(found.answers(arm).passages), "what a context step attaches does not reach the model through it"
        else:  # its passages may outweigh the model's own answer, so that training need not show in the scores
            read = any(first.answers(self._arm()).passages)
            assert any(found.answers(arm).passages) == read, "beside a weight step its passages are lost"

    # -- what the tests are made of ------------------------------------------------------------------------

    def _name(self) -> str:
        return f"{self.spec.name}:{self.settings}" if self.settings else self.spec.name

    def _arm(self) -> str:
        where = f"{self.backend.name}:{self.backend.default_model}" if self.spec.needs_model else NO_BACKEND
        settings = ":".join(sorted(self.settings.split(":"))) if self.settings else ""
        return f"{self.spec.name}{':' if settings else ''}{settings}@{where}"

    def _registry(self, backend: BackendSpec) -> Registry:
        plugins = (("tested", Offering(self.spec)), ("tested-backend", FakePlugin(backend)), ("helpers", Helpers()))
        return registry_with(*plugins)

    def _planned(
        self, task: Path, *, backend: BackendSpec | None = None, strategies: tuple[str, ...] = (), **options: Any
    ) -> tuple[PlannedCell, ...]:
        on = backend or self.backend
        request = Request(str(task), strategies or (self._name(),), (on.name,), **options)
        return make_plan(request, self._registry(on), load_task(task)).cells

    def _tried(
        self,
        task: Path,
        store: Path,
        executor: Executor | None,
        *,
        named: str = "",
        strategies: tuple[str, ...] = (),
        **options: Any,
    ) -> Tried:
        names = (named or self._name(), *strategies)
        found = tried(task, names, self.backend, store, executor, [("tested", Offering(self.spec))], **options)
        failed = [cell for cell in found.run.report["cells"] if cell["status"] not in ("done", "skipped")]
        assert not failed or strategies, f"{failed[0]['arm']} {failed[0]['status']}: {failed[0]['reason']}"
        return found


def _ends(setting: Setting) -> list[float]:
    """Of where trials look for it, if these are numbers."""
    found = setting.search
    ends = [] if found is None else [found.low, found.high, *found.values]
    return [end for end in ends if isinstance(end, int | float)]
