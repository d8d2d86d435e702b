"""What every backend must do: inherit `BackendKit`, name the spec, run pytest."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.api import run
from harness.contracts import Executor
from harness.errors import HarnessError, ModelError
from harness.later import resolve
from harness.naming import strategy_of
from harness.testing.fake import FakePlugin
from harness.testing.material import KINDS, LABELS, examples, odd_questions, questions, reading
from harness.testing.running import CAPABILITIES, FAILING, Helpers, registry_with
from harness.testing.sessions import WAYS, Sessions, may_run_code
from harness.testing.tiny import tiny_task
from harness.training import cross_entropy
from harness.types import Answers, Epoch, Kind, ModelCard, TuneLog, Usage

ALL_KINDS = pytest.mark.parametrize("kind", KINDS, ids=str)
ALL_WAYS = pytest.mark.parametrize("way", WAYS)
"""Of tuning; those that the backend does not offer are skipped."""
REFUSALS = (AttributeError, ImportError, NotImplementedError, HarnessError)
"""What a verb that is not offered may raise: it or its library is not there, or it says so."""


class BackendKit(Sessions):
    """Inherit it and set `spec`; override `model` to test on another one than the default."""

    @pytest.fixture
    def executor(self) -> Executor | None:
        """Where `test_it_gets_its_rows_in_a_run` runs its cells; None: processes of its own."""
        return None

    # -- the spec ------------------------------------------------------------------------------------------

    def test_its_spec_can_be_used(self, model: str) -> None:
        assert callable(getattr(resolve(self.spec.load)(), "open", None)), f"{self.spec.load} gave nothing that opens"
        card = self.spec.describe(model)
        assert isinstance(card, ModelCard), f"describe returned {type(card).__name__}, not a ModelCard"
        assert card.revision, "without a revision, results of another model of that name would be taken for this one's"
        assert card == self.spec.describe(model), "describe must say the same of the same files"
        offered = self.spec.offers(card)
        unknown = sorted(offered - CAPABILITIES)
        assert not unknown, f"no strategy needs {', '.join(unknown)}; known: {', '.join(sorted(CAPABILITIES))}"

    def test_a_model_that_cannot_be_had_is_one_line(self) -> None:
        told = ""
        try:
            self.spec.describe("no such/model at all")
        except ModelError as error:
            told = str(error)
        assert "\n" not in told, "an error is one line"

    # -- verbs ---------------------------------------------------------------------------------------------

    @ALL_KINDS
    def test_an_offered_answer_works(self, model: str, kind: Kind) -> None:
        session = self._answering(model, kind)
        for asked in (questions(kind), odd_questions(kind), questions(kind)[:1], []):
            self._sound(asked, session.answer(asked))
        session.close()

    @ALL_KINDS
    def test_passages_are_read_only_where_that_is_offered(self, model: str, kind: Kind) -> None:
        session = self._answering(model, kind)
        plain = questions(kind)
        before = session.answer(plain)
        if f"read:{kind}" not in self._offered(model):
            with suppress(*REFUSALS):
                read = session.answer(reading(plain, 1.0))
                assert not any(read.passages), "it names passages as read, but does not offer to read"
                self._same(before, read, "passages change answers, but reading is not offered")
            return
        ignored, read = (session.answer(reading(plain, weight)) for weight in (0.0, 1.0))
        self._same(before, ignored, "passages of weight 0 change answers")
        self._differ(before, read, "passages of weight 1 change no answer, but reading is offered")
        carried = {passage.document_id for question in reading(plain, 1.0) for passage in question.passages}
        assert any(read.passages), "the documents read must be named, best first: retrieval is measured by them"
        assert {id for ids in read.passages for id in ids} <= carried, "it names documents that it was not given"

    @pytest.mark.parametrize("verb", ["embed", "score"])
    def test_an_offered_verb_on_texts_works(self, model: str, verb: str) -> None:
        self._need(model, verb)
        session = self.opened(model, Kind.CHOICE)
        asked = (*questions(Kind.CHOICE), *odd_questions(Kind.CHOICE))
        texts = [question.text for question in asked if question.text]
        call = getattr(session, verb)
        together = np.asarray(call(texts))
        assert together.dtype == np.float32, f"{verb} gives {together.dtype}, not float32"
        assert len(together) == len(texts)
        assert np.isfinite(together).all(), f"{verb} gives numbers that are not finite"
        assert together.ndim == (2 if verb == "embed" else 1)
        backwards = np.asarray(call(texts[::-1]))[::-1]
        alone = np.concatenate([call([text]) for text in texts])
        for other in (backwards, alone):
            assert np.allclose(together, other, self.tolerance / 10, self.tolerance), (
                "order or company changes the result"
            )
        assert len(call([])) == 0
        if verb == "embed":
            lengths = np.linalg.norm(together[: len(questions(Kind.CHOICE))], axis=1)
            assert np.allclose(lengths, 1, atol=1e-3), "sentence vectors must have length 1"

    @ALL_KINDS
    def test_what_is_not_offered_is_refused(self, model: str, kind: Kind) -> None:
        offered, plain = self._offered(model), questions(kind)
        recipes = {f"tune:{way}:{kind}": self.recipe(way) for way in WAYS}
        calls: dict[str, Any] = {
            "embed": lambda session: session.embed([plain[0].text]),
            "score": lambda session: session.score([plain[0].text]),
            f"answer:{kind}": lambda session: session.answer(plain),
            **{
                name: lambda session, recipe=recipe: session.tune(examples(kind), (), recipe, lambda epoch: None)
                for name, recipe in recipes.items()
            },
        }
        if offered & recipes.keys():  # a model that has to be tuned first may answer before, at random
            del calls[f"answer:{kind}"]
        for capability in sorted(calls.keys() - offered):
            try:
                calls[capability](self.opened(model, kind))
            except REFUSALS:
                continue
            pytest.fail(f"{capability} is not offered, yet it is done: strategies that need it are skipped for nothing")

    # -- training ------------------------------------------------------------------------------------------

    @ALL_KINDS
    @ALL_WAYS
    def test_tuning_learns_and_tells_how(self, model: str, kind: Kind, way: str) -> None:
        self._need(model, f"tune:{way}:{kind}")
        session, told = self.opened(model, kind), list[Epoch]()
        rows = examples(kind)
        before = self._answers(session, kind) if f"answer:{kind}" in self._offered(model) else None
        log = session.tune(rows, rows[:4], self.recipe(way), told.append)
        assert isinstance(log, TuneLog)
        assert tuple(told) == tuple(log.epochs), "every epoch of the log, and no other, is told as it ends"
        assert log.best_epoch in [epoch.epoch for epoch in log.epochs]
        assert (log.steps or 0) > 0, "no step was taken"
        assert (log.trainable_parameters or 0) > 0, "nothing was trainable"
        assert all(np.isfinite(epoch.train_loss) for epoch in log.epochs), "a loss is no number"
        assert all(epoch.validation_loss is not None for epoch in log.epochs), "validation rows were given, not used"
        after, targets = self._answers(session, kind), [row.target for row in rows]
        chance = float(np.log(len(LABELS)))
        if before is not None:
            self._differ(before, after, "tuned answers are those of the base model")
        found = cross_entropy(after.scores, targets)
        least = chance if before is None else max(chance, cross_entropy(before.scores, targets))
        assert found < least, f"after training on them, the right answers lose {found:.3f} nats, before {least:.3f}"

    @ALL_KINDS
    @ALL_WAYS
    def test_the_same_seed_gives_the_same_answers(self, model: str, kind: Kind, way: str) -> None:
        self._need(model, f"tune:{way}:{kind}")
        first, second = (self._answers(self._tuned(model, kind, way, seed=3), kind) for _ in range(2))
        self._same(first, second, "two trainings with one seed differ")

    @ALL_KINDS
    @ALL_WAYS
    def test_the_seed_decides_what_is_random(self, model: str, kind: Kind, way: str) -> None:
        """Adapters are tried with all rows in one batch: their initialisation is all that is left to differ."""
        self._need(model, f"tune:{way}:{kind}")
        batch = 4 if way == "full" else len(examples(kind))
        first, second = (
            self._answers(self._tuned(model, kind, way, seed=seed, batch_size=batch), kind) for seed in (0, 1)
        )
        if self.seeded:
            what = "order of the rows" if way == "full" else "initialisation of the adapters"
            self._differ(first, second, f"the seed does not reach the {what} (where nothing is random: seeded = False)")
        else:
            self._same(first, second, "seeded = False, but the seed changes answers")

    @ALL_KINDS
    @ALL_WAYS
    def test_saved_and_opened_again_it_answers_the_same(self, model: str, kind: Kind, way: str, tmp_path: Path) -> None:
        self._need(model, f"tune:{way}:{kind}")
        session = self._tuned(model, kind, way, seed=1)
        folder = tmp_path / "kept"
        artifact = session.save(folder)
        files = [file for file in folder.rglob("*") if file.is_file()]
        assert files, "nothing was saved"
        assert artifact.bytes == sum(file.stat().st_size for file in files), "the artifact's size is not its files'"
        for file in files:
            assert not may_run_code(file), f"{file.name} is a pickle or HDF5: opening it could run code"
        again = self.opened(model, kind, seed=7, artifact=folder)
        self._same(self._answers(session, kind), self._answers(again, kind), "opened again it answers differently")

    # -- answering -----------------------------------------------------------------------------------------

    @ALL_KINDS
    def test_answers_do_not_depend_on_order_or_company(self, model: str, kind: Kind) -> None:
        session = self._answering(model, kind)
        asked = [*questions(kind), *odd_questions(kind)]
        if f"read:{kind}" in self._offered(model):
            asked += [replace(question, id=f"{question.id}-read") for question in reading(questions(kind)[:3], 0.5)]
        together = session.answer(asked).scores
        self._forget(session)
        backwards = session.answer(asked[::-1]).scores[::-1]
        self._forget(session)
        alone = [session.answer([question]).scores[0] for question in asked]
        self._same(Answers(together), Answers(backwards), "the order of the questions changes answers")
        self._same(Answers(together), Answers(alone), "the other questions of a batch change answers")

    @ALL_KINDS
    def test_usage_is_what_was_used(self, model: str, kind: Kind) -> None:
        session = self._answering(model, kind)
        session.answer(questions(kind)[:1])
        session.usage()
        used = []
        for _ in range(2):
            self._forget(session)
            session.answer(questions(kind))
            used.append(session.usage())
        for name in (field.name for field in fields(Usage)):
            first, second = (getattr(each, name) for each in used)
            if isinstance(first, Mapping):
                assert first == second, f"{name} of the same questions: {first}, then {second}"
                continue
            assert first is None or first > 0, f"{name} is {first} after work: None says that it was not measured"
            if name in ("tokens", "flops") and first is not None:
                assert second == pytest.approx(first, rel=0.01), (
                    f"{name} of the same questions: {first}, then {second}; usage() counts since the last call, and a "
                    "session that keeps what it computed has forget()"
                )

    def test_it_gets_its_rows_in_a_run(self, model: str, tmp_path: Path, executor: Executor | None) -> None:
        """Through the command's own path, in processes of their own, beside an arm that fails."""
        finished = run(
            tiny_task(tmp_path),
            strategies=["base", "full", "probe", FAILING],
            backends=[self.spec.name],
            models=[f"{self.spec.name}:{model}"],
            settings={"full.epochs": 1},
            store=tmp_path / "store",
            registry=registry_with(("tested", FakePlugin(self.spec)), ("helpers", Helpers())),
            executor=executor,
            **self.run_options,
        )
        done = 0
        for cell in finished.report["cells"]:
            name, told = strategy_of(cell["arm"]), f"{cell['arm']} {cell['status']}: {cell['reason']}"
            if name == FAILING:
                assert cell["status"] in ("failed", "skipped"), told
                assert not cell["measurements"], "a failed cell has no figures, not even 0"
            else:
                assert cell["status"] in ("done", "skipped"), told
                done += cell["status"] == "done"
        assert done, "every strategy was skipped"
        assert len(finished.report["table"]) == done
