"""Two stored runs against what can be counted on paper: which questions pair, what changed, what may be said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.compare.pairing import paired
from harness.compare.runs import compared_runs
from harness.errors import UsageError
from harness.store import Store
from harness.testing.stores import ENVIRONMENT, WrittenArm, WrittenTask, write_run
from harness.types import Answers, Question, QuestionSet, Row, Status, Text

CHOICES = ("dawn", "noon", "night")
THEN, NOW = "20260101-000000-aaaaaa", "20260201-000000-bbbbbb"


def asked(count: int, per_cluster: int = 1) -> list[Row]:
    return [
        Row(Question(f"q{n}", (Text(f"when, {n}?"),), CHOICES), n % 3, f"c{n // per_cluster}") for n in range(count)
    ]


def answered(rows: Sequence[Row], right: Sequence[bool]) -> Answers:
    """The gold answer where right, else the next choice."""
    chosen = [row.gold if each else (row.gold + 1) % 3 for row, each in zip(rows, right, strict=True)]
    return Answers(tuple(np.eye(3, dtype=np.float32)[chosen]))


def arm(name: str, rows: Sequence[Row], *seeds: Sequence[bool], **settings: object) -> WrittenArm:
    return WrittenArm(name, [{"test": answered(rows, right)} for right in seeds], settings=settings)


def lifted(count: int, both: int, only_now: int, only_then: int) -> tuple[list[bool], list[bool]]:
    """Right then, right now: so many right in both runs, in one of them, and the rest in neither."""
    rest = count - both - only_now - only_then
    then = [True] * both + [False] * only_now + [True] * only_then + [False] * rest
    now = [True] * both + [True] * only_now + [False] * only_then + [False] * rest
    return then, now


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


def compared(root: Path, margin: float = 2.0) -> dict[str, object]:
    store = Store(root, to_read=True)
    try:
        return compared_runs(store, THEN, NOW, margin)
    finally:
        store.close()


def test_hand_worked_figures(root: Path) -> None:
    """40 questions, each its own cluster: 20 right in both, 10 right only now, 2 only then. 22 -> 30 of 40 are 55 and
    75 %. McNemar: of 12 that changed at most 2 went one way: 2 (1 + 12 + 66) / 4096 = .0386; and 1 for the arm that
    did not change. Holm: 2 x .0386 = .0771, not separated. The difference's error by the bootstrap is
    sqrt((12/40 - .2^2) / 40) = .0806, so that the interval is .2 - 1.96 x .0806 = .042 to .358."""
    rows = asked(40)
    then, now = lifted(40, 20, 10, 2)
    for run, right in ((THEN, then), (NOW, now)):
        write_run(root, run, WrittenTask({"test": rows}), [arm("rag", rows, right), arm("base", rows, then)])
    found = compared(root)
    rag, base = found["arms"]
    assert (rag["then"], rag["now"], rag["difference"]) == pytest.approx((55, 75, 20))
    assert (rag["better"], rag["worse"]) == (10, 2)
    assert rag["test"] == "exact McNemar"
    assert rag["p"] == pytest.approx(2 * 79 / 4096)
    assert rag["p_adjusted"] == pytest.approx(4 * 79 / 4096)
    assert (rag["low"], rag["high"]) == pytest.approx((4.2, 35.8), abs=1.3)
    assert rag["verdict"] == "not separated"
    assert (base["difference"], base["p"], base["verdict"]) == (0, 1, "equivalent")
    assert found["questions"][0]["by"] == "fingerprint"
    assert found["changes"] == [], "answers alone differ"


@pytest.mark.parametrize(("turned", "verdict"), [(False, "better"), (True, "worse")])
def test_what_is_real_is_told_so(root: Path, turned: bool, verdict: str) -> None:
    rows = asked(60)
    pair = lifted(60, 20, 20, 2)
    then, now = pair[::-1] if turned else pair
    for run, right in ((THEN, then), (NOW, now)):
        write_run(root, run, WrittenTask({"test": rows}), [arm("rag", rows, right)])
    (found,) = compared(root)["arms"]
    assert found["verdict"] == verdict
    assert found["p_adjusted"] == found["p"] < 0.001, "one arm needs no correction"


def test_several_seeds_count_questions_that_more_of_them_answer(root: Path) -> None:
    """Then 1 of 2 seeds is right on each of the first ten; now both are, and none on the last of them."""
    rows = asked(20)
    first = [True] * 10 + [False] * 10
    write_run(root, THEN, WrittenTask({"test": rows}), [arm("full", rows, first, [False] * 20)])
    now = [True] * 9 + [False] * 11
    write_run(root, NOW, WrittenTask({"test": rows}), [arm("full", rows, now, now)])
    (found,) = compared(root)["arms"]
    assert (found["then"], found["now"], found["seeds"]) == (pytest.approx(25), pytest.approx(45), [2, 2])
    assert (found["better"], found["worse"]) == (9, 1)
    assert found["test"] == "cluster sign flips"


def test_other_question_sets_are_paired_row_by_row(root: Path) -> None:
    """Backwards, one question gone, one new, one with another gold answer; all that stays is answered alike."""
    rows = asked(30)
    right = [n % 2 == 0 for n in range(30)]
    write_run(root, THEN, WrittenTask({"test": rows}), [arm("rag", rows, right)])
    kept = [replace(row, gold=(row.gold + 1) % 3) if row.question.id == "q5" else row for row in rows[1:]][::-1]
    later = [*kept, Row(Question("new", (Text("new?"),), CHOICES), 0, "new")]
    again = [right[int(row.question.id[1:])] for row in kept] + [True]
    write_run(root, NOW, WrittenTask({"test": later}), [arm("rag", later, again)])
    document = compared(root)
    (questions,) = document["questions"]
    assert questions["by"] == "id"
    assert questions["paired"] == 28
    assert [questions[sort]["ids"] for sort in ("only_then", "only_now", "changed")] == [["q0"], ["new"], ["q5"]]
    (found,) = document["arms"]
    assert (found["n"], found["difference"], found["better"], found["worse"]) == (28, 0, 0, 0)
    assert found["then"] == pytest.approx(100 * 14 / 28)
    assert {change["what"] for change in document["changes"]} == {"task", "questions of test"}


def test_a_question_is_the_same_whatever_the_order_of_its_choices() -> None:
    (row,) = asked(1)
    turned = replace(row, question=replace(row.question, choices=CHOICES[::-1]), gold=2)
    fewer = replace(row, question=replace(row.question, choices=CHOICES[:2]))
    sets = {name: QuestionSet("test", (each,), name) for name, each in (("a", row), ("b", turned), ("c", fewer))}
    assert len(paired(sets["a"], sets["b"], False).now) == 1
    assert paired(sets["a"], sets["c"], False).changed == ("q0",), "it is easier with fewer choices"
    assert len(paired(sets["a"], sets["c"], True).now) == 1, "labels are the task's"


def test_what_changed_and_which_arms_are_in_one_run_only(root: Path) -> None:
    rows = asked(8)
    task, right = WrittenTask({"test": rows}), [True, False] * 4
    write_run(root, THEN, task, [arm("full", rows, right, lr=0.1), arm("lora", rows, right), arm("gone", rows, right)])
    failed = WrittenArm("lora", (), status=Status.FAILED, reason="out of luck")
    later = {**ENVIRONMENT, "versions": {"numpy": "2.1", "torch": "2.6"}}
    write_run(root, NOW, task, [arm("full", rows, right, lr=0.2), failed, arm("new", rows, right)], later)
    found = compared(root)
    assert [(change["what"], change["arms"], change["then"], change["now"]) for change in found["changes"]] == [
        ("numpy", [], "2.0", "2.1"),
        ("torch", [], None, "2.6"),
        ("setting lr", ["full@fake:words"], 0.1, 0.2),
    ]
    assert found["only"] == [
        {"arm": "lora@fake:words", "run": "then", "other": "failed", "reason": "out of luck"},
        {"arm": "gone@fake:words", "run": "then", "other": "not asked for", "reason": None},
        {"arm": "new@fake:words", "run": "now", "other": "not asked for", "reason": None},
    ]


def test_one_cluster_gives_no_verdict_and_the_reason(root: Path) -> None:
    rows = asked(6, per_cluster=6)
    for run in (THEN, NOW):
        write_run(root, run, WrittenTask({"test": rows}), [arm("full", rows, [True] * 6)])
    (found,) = compared(root)["arms"]
    assert (found["low"], found["p"], found["verdict"]) == (None, None, None)
    assert "one cluster" in found["reason"]


def test_a_task_measured_by_macro_f1_is_compared_by_it(root: Path) -> None:
    """Two labels. Then always the first: its F1 is 2/3, the other's 0, mean 1/3. Now all right: 1."""
    rows = [Row(Question(f"q{n}", (Text(f"{n}?"),), CHOICES[:2]), n % 2, f"c{n}") for n in range(20)]
    task = WrittenTask({"test": rows}, labels=CHOICES[:2], primary="macro_f1")
    for run, chosen in ((THEN, [0] * 20), (NOW, [row.gold for row in rows])):
        answers = Answers(tuple(np.eye(2, dtype=np.float32)[chosen]))
        write_run(root, run, task, [WrittenArm("full", [{"test": answers}])])
    document = compared(root)
    assert document["measure"] == "macro_f1"
    assert (document["arms"][0]["then"], document["arms"][0]["now"]) == pytest.approx((100 / 3, 100))


@pytest.mark.parametrize(("other", "told"), [("arm", "no arm in common"), ("question", "asked no question in common")])
def test_nothing_in_common_is_a_usage_error(root: Path, other: str, told: str) -> None:
    rows = asked(4)
    write_run(root, THEN, WrittenTask({"test": rows}), [arm("full", rows, [True] * 4)])
    later = rows if other == "arm" else [replace(row, gold=(row.gold + 1) % 3) for row in rows]
    named = "lora" if other == "arm" else "full"
    write_run(root, NOW, WrittenTask({"test": later}), [arm(named, later, [True] * 4)])
    with pytest.raises(UsageError, match=told):
        compared(root)
