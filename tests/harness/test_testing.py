"""The tests that we ask of plugins can fail: each fault is caught, by the test that is named for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.contracts import BackendSpec, MeasureSpec, StrategySpec
from harness.evidence import Evidence
from harness.reporting import ReporterSpec
from harness.testing import (
    FAKE_CAPABILITIES,
    BackendKit,
    MeasureKit,
    ReporterKit,
    StrategyKit,
    TaskKit,
    fake_spec,
    tiny_task,
)
from harness.types import Kind, Measurement, Usage, not_measured
from tests.conftest import REPOSITORY

FAILED = (AssertionError, pytest.fail.Exception)
BROKEN = "tests.support.broken"


def kit(sort: type[Any], **attributes: Any) -> Any:
    return type("Kit", (sort,), attributes)()


def backend(name: str, **changes: Any) -> BackendSpec:
    return fake_spec("broken", load=f"{BROKEN}:{name}", **changes)


def without(*capabilities: str) -> Callable[[Any], frozenset[str]]:
    return lambda card: frozenset(FAKE_CAPABILITIES - set(capabilities))


COMPANY = "test_answers_do_not_depend_on_order_or_company"
SEED = "test_the_seed_decides_what_is_random"
ANSWER = "test_an_offered_answer_works"
USAGE = "test_usage_is_what_was_used"
READS = "test_passages_are_read_only_where_that_is_offered"
SAVED = "test_saved_and_opened_again_it_answers_the_same"
REFUSED = "test_what_is_not_offered_is_refused"


@pytest.mark.parametrize(
    ("spec", "test", "way"),
    [
        (backend("batched"), COMPANY, None),
        (backend("ordered"), COMPANY, None),
        (backend("seedless"), SEED, "lora"),
        (backend("seedless"), SEED, "full"),
        (backend("undecided"), "test_the_same_seed_gives_the_same_answers", "full"),
        (backend("idle"), "test_tuning_learns_and_tells_how", "full"),
        (backend("forgetful"), SAVED, "lora"),
        (backend("pickling"), SAVED, "full"),
        (backend("free"), USAGE, None),
        (backend("caching"), USAGE, None),
        (backend("crowded"), ANSWER, None),
        (backend("short"), ANSWER, None),
        (backend("illiterate"), READS, None),
        (fake_spec("broken", offers=without("read:choice")), READS, None),
        (fake_spec("broken", offers=without("tune:lora:choice")), REFUSED, None),
        (fake_spec("broken", offers=without("score")), REFUSED, None),
        (backend("unrounded"), REFUSED, None),
    ],
    ids=lambda value: value.load.split(":")[1] if isinstance(value, BackendSpec) else None,
)
def test_a_broken_backend_is_caught(spec: BackendSpec, test: str, way: str | None, tmp_path: Path) -> None:
    given: dict[str, Any] = {"model": "words", "kind": Kind.CHOICE}
    if way:
        given["way"] = way
    if test == SAVED:
        given["tmp_path"] = tmp_path
    with pytest.raises((*FAILED, IndexError)):
        getattr(kit(BackendKit, spec=spec), test)(**given)


def test_a_misspelt_capability_is_caught() -> None:
    spec = fake_spec("broken", offers=lambda card: frozenset({"anwser:choice"}))
    with pytest.raises(FAILED, match="no strategy needs anwser:choice"):
        kit(BackendKit, spec=spec).test_its_spec_can_be_used(model="words")


def test_a_verb_that_is_offered_and_absent_is_caught() -> None:
    class Mute:
        def open(self, *_: Any, **__: Any) -> object:
            return object()

    spec = fake_spec("broken")
    tried = kit(BackendKit, spec=spec, opened=lambda self, *_, **__: Mute().open())
    with pytest.raises(AttributeError, match="score"):
        tried.test_an_offered_verb_on_texts_works(model="words", verb="score")


# -- measures ----------------------------------------------------------------------------------------------

NEVER_0 = "test_what_was_not_asked_or_noted_is_none_and_never_0"


def _latency_or_0(evidence: Evidence) -> Measurement:
    seconds = [second for cell in evidence.cells for second in cell.log.get("latency_s", ())]
    return Measurement(sum(seconds) / len(seconds) if seconds else 0.0, unit="s")


def _tokens_or_0(evidence: Evidence) -> Measurement:
    used = [cell.usage.get("adapt", Usage()).tokens or 0 for cell in evidence.cells]
    return Measurement(float(sum(used)))


def _first(evidence: Evidence) -> Measurement:
    return Measurement(float(evidence.correct[0, :5].mean() + evidence.gold[0]))


def _outside(evidence: Evidence) -> Measurement:
    return Measurement(float(evidence.correct.mean()), 2.0, 3.0)


def _no_reason(evidence: Evidence) -> Measurement:
    return Measurement(None)


@pytest.mark.parametrize(
    ("compute", "test"),
    [
        (_latency_or_0, NEVER_0),
        (_tokens_or_0, NEVER_0),
        (_first, "test_the_order_of_rows_changes_nothing"),
        (_outside, "test_an_interval_holds_its_value"),
        (_no_reason, "test_it_measures_something"),
        (lambda evidence: not_measured("never"), "test_it_measures_something"),
        (lambda evidence: 1.0, "test_it_measures_something"),
        (lambda evidence: Measurement(float("nan")), "test_it_measures_something"),
    ],
)
def test_a_broken_measure_is_caught(compute: Callable[[Evidence], Any], test: str) -> None:
    with pytest.raises(FAILED):
        getattr(kit(MeasureKit, spec=MeasureSpec("broken", "", compute)), test)()


# -- reporters ---------------------------------------------------------------------------------------------

REPORT: dict[str, Any] = {
    "run": {"id": "r", "task": {"name": "tiny"}},
    "cells": [{"arm": "base@fake:words", "status": "failed", "reason": "no luck"}],
    "table": [
        {"arm": "base@fake:words", "strategy": "base", "backend": "fake", "model": "words", "tests": {}, "groups": {}}
    ],
}


@pytest.mark.parametrize(
    ("form", "media"),
    [
        ("{0}\n", "text"),
        ("| {0} | {1} |\n", "markdown"),
        ("<table><td>{0}</td></table>", "html"),
        ('"{0}",1\n', "csv"),
    ],
)
@pytest.mark.parametrize("stripped", [False, True], ids=["raw", "without control characters"])
def test_a_reporter_that_lets_markup_through_is_caught(form: str, media: str, stripped: bool) -> None:
    from harness.safetext import one_line

    if media == "text" and stripped:
        return
    clean = one_line if stripped else str
    spec = ReporterSpec("broken", "", lambda report: form.format(*map(clean, (report["table"][0]["arm"], "x"))))
    with pytest.raises(FAILED):
        kit(ReporterKit, spec=spec, media=media).test_text_from_outside_is_inert(report=REPORT)


def test_a_reporter_that_changes_the_report_is_caught() -> None:
    def render(report: Any) -> str:
        report["table"].sort(key=str)
        report["seen"] = True
        return "base"

    with pytest.raises(FAILED, match="changed the report"):
        kit(ReporterKit, spec=ReporterSpec("broken", "", render)).test_it_changes_nothing(report={**REPORT})


# -- tasks -------------------------------------------------------------------------------------------------


def test_a_task_with_a_leak_is_caught(tmp_path: Path) -> None:
    from harness.contracts import TaskSpec
    from harness.taskfile import load_task

    task = load_task(tiny_task(tmp_path))
    assert task.train is not None
    tried = kit(TaskKit, spec=TaskSpec("tiny", "", tmp_path / "task.toml"))
    tried.test_its_sets_are_disjoint(task)
    with pytest.raises(FAILED, match="share the ids"):
        tried.test_its_sets_are_disjoint(replace(task, test=replace(task.test, rows=task.train.rows[:2])))
    with pytest.raises(FAILED, match="no description"):
        tried.test_it_loads_and_says_what_it_is(task)


# -- strategies: through runs of their own -----------------------------------------------------------------


def strategy(name: str, **changes: Any) -> StrategySpec:
    fields: dict[str, Any] = {"role": "answerer", "load": f"{BROKEN}:{name}", "composes": False, "default": False}
    return StrategySpec(**{"name": name.lower(), "summary": "", **fields, **changes})


@pytest.mark.chaos
@pytest.mark.parametrize(
    ("spec", "test"),
    [
        (strategy("Peeks"), "test_gold_of_a_test_changes_nothing"),
        (strategy("Counts"), "test_answers_do_not_depend_on_order_or_company"),
        (strategy("Gambles"), "test_the_same_seed_gives_the_same_answers"),
        (strategy("Hoards"), "test_a_kept_adaptation_answers_a_new_test_the_same"),
        (strategy("Nothing", role="context"), "test_it_never_passes_for_the_base_model"),
        (strategy("Needy"), "test_it_never_passes_for_the_base_model"),
        (strategy("Deaf", composes=True), "test_it_composes"),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_a_broken_strategy_is_caught(
    spec: StrategySpec, test: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(REPOSITORY))  # workers search where this process does
    tried = kit(StrategyKit, spec=spec)
    (tmp_path / "task").mkdir()
    given: dict[str, Any] = {"task": tiny_task(tmp_path / "task"), "tmp_path": tmp_path, "executor": None}
    if test != "test_it_never_passes_for_the_base_model":
        given["first"] = tried._tried(given["task"], tmp_path / "store", None, keep="all")
    with pytest.raises(FAILED):
        getattr(tried, test)(**given)


class Misdeclared(StrategyKit):
    spec: ClassVar[StrategySpec] = strategy("Needy", role="wieghts")


def test_a_misspelt_role_is_caught() -> None:
    with pytest.raises(FAILED, match="role 'wieghts' is none of"):
        Misdeclared().test_its_spec_can_be_used()
