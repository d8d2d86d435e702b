"""Smaller training sets and permuted labels: what is trained on, planned, answered and told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness import api, learning
from harness.contracts import Event
from harness.errors import UsageError
from harness.evidence import Evidence
from harness.processes import LocalProcesses
from harness.registry import Registry
from harness.request import Request, share
from harness.taskfile import load_task
from harness.testing.evidence import evidence
from harness.trainings import permuted, sized
from harness.types import Answers, Task

SIZES = ("30%", "60%")


@pytest.fixture
def task(tiny: Path) -> Task:
    return load_task(tiny)


def ids(rows: Any) -> set[str]:
    return {row.question.id for row in rows}


def test_sizes_are_nested_and_keep_clusters_whole(task: Task) -> None:
    assert task.train
    small, large, whole = (each.train for each in sized(task, ("100%", *SIZES)))
    assert whole is task.train
    assert ids(small.rows) < ids(large.rows) < ids(whole.rows)
    for found in (small, large):
        held = {row.cluster for row in found.rows}
        assert ids(found.rows) == {row.question.id for row in whole.rows if row.cluster in held}
    assert [len({row.cluster for row in each.rows}) for each in (small, large, whole)] == [1, 2, 4]
    assert all(each.validation is task.validation for each in sized(task, SIZES))


@pytest.mark.parametrize("text", ["0%", "101%", "0.1", "x%", "nan%"])
def test_what_is_no_share_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="must be a share"):
        share(text)


def test_permuted_choices_go_to_another_question_with_any_of_them_right(task: Task) -> None:
    assert task.train
    assert task.validation
    (one,), (again,), (other,) = (permuted(task, [seed]) for seed in (0, 0, 1))
    assert one.train.fingerprint == again.train.fingerprint != other.train.fingerprint
    assert [row.question.text for row in one.train.rows] == [row.question.text for row in task.train.rows]
    assert Counter(row.question.choices for row in one.train.rows) == Counter(
        row.question.choices for row in task.train.rows
    )
    assert one.validation
    assert one.validation.fingerprint != task.validation.fingerprint


def test_permuted_labels_change_places(task: Task) -> None:
    (found,) = permuted(replace(task, labels=("a", "b", "c", "d")), [0])
    assert task.train
    before, after = ([row.gold for row in each.rows] for each in (task.train, found.train))
    assert before != after
    assert Counter(before) == Counter(after)
    assert [row.question for row in found.train.rows] == [row.question for row in task.train.rows]


def test_only_what_trains_is_planned_again_and_the_whole_is_the_ordinary_cell(registry: Registry, tiny: Path) -> None:
    def planned(**more: Any) -> dict[str, str]:
        request = Request(str(tiny), ("base", "full", "full+rag:retriever=bm25"), ("fake",), seeds=(0, 1), **more)
        made = api.plan(request, registry)
        assert len(made.assets) == 1, "retrieval is the same whatever is trained on"
        return {f"{cell.name} {cell.cell.seed}": cell.cell.key for cell in made.cells}

    ordinary = planned()
    found = planned(sizes=("100%", *SIZES), controls=("permuted",))
    assert ordinary.items() <= found.items()
    assert len(set(found.values())) == len(found) == len(ordinary) + 2 * 2 * len(SIZES) + 2 * 2
    assert not any(name.startswith("base") and " on " in name for name in found)


@pytest.mark.slow
def test_learning_curve_and_control_stand_apart_from_the_arms(
    registry: Registry, tiny: Path, tmp_path: Path, workers: LocalProcesses
) -> None:
    heard: list[Event] = []
    asked: dict[str, Any] = {
        "strategies": ["base", "full"],
        "backends": ["fake"],
        "seeds": [0, 1],
        "store": tmp_path / "store",
        "registry": registry,
        "executor": workers,
        "sizes": SIZES,
        "controls": ["permuted"],
        "keep": "all",
    }
    report = dict(harness.run(tiny, **asked).report)
    arms = {arm["strategy"]: arm for arm in report["table"]}
    assert list(arms) == ["base", "full"]
    assert arms["full"]["seeds"] == [0, 1]
    points = arms["full"]["sizes"]["points"]
    assert [(point["size"], point["rows"], point["clusters"]) for point in points] == [
        ("30%", 3, 1),
        ("60%", 6, 2),
        ("100%", 12, 4),
    ]
    assert [point["accuracy"]["value"] for point in points] == [25, 50, 100]
    assert points[-1]["accuracy"] == arms["full"]["measurements"]["accuracy"]
    assert arms["base"]["sizes"] == {"points": None, "reason": "does not train"}
    found = arms["full"]["permuted"]
    assert (found["chance"], found["verdict"]) == (25, "at chance")
    assert found["base"] == arms["base"]["arm"]
    assert found["accuracy"]["low"] <= found["accuracy"]["value"] <= found["accuracy"]["high"]
    assert arms["base"]["permuted"]["accuracy"]["reason"] == "does not train"
    assert {name for pair in report["comparisons"] for name in (pair["a"], pair["b"])} == {
        arm["arm"] for arm in report["table"]
    }
    for format in ("table", "markdown"):
        text = registry.reporters.get(format).render(report)
        assert "30% (3)" in text
        assert "at chance" in text
    harness.run(tiny, **asked, listeners=[heard.append])
    assert not [event for event in heard if event.name == "cell.started"], "the same command repeats nothing"


@pytest.mark.parametrize(
    ("right", "base_right", "verdict"),
    [
        (0.25, None, "at chance"),
        (0.9, 0.9, "no gain over base"),
        (0.9, 0.2, "GAINS: look for a leak"),
        (0.9, None, None),
    ],
)
def test_the_verdict_of_the_control(right: float, base_right: float | None, verdict: str | None) -> None:
    found = learning.permuted(_answers(right), True, True, base_right and _answers(base_right), True)
    assert found["verdict"] == verdict
    assert (found["accuracy"]["reason"] is None) == (verdict is not None)
    assert found["chance"] == pytest.approx(100 / 3)


def _answers(right: float) -> Evidence:
    """An arm that answers this share of all clusters' rows rightly."""
    whole = evidence()
    rows = whole.task["test"].rows
    scores = []
    for number, row in enumerate(rows):
        chosen = row.gold if number % 10 < 10 * right else (row.gold + 1) % 3
        scores.append(np.eye(3, dtype=np.float32)[chosen])
    cell = replace(whole.cells[0], answers={"test": Answers(tuple(scores))})
    return replace(whole, cells=(cell,))


def test_what_was_not_asked_says_so(registry: Registry, tiny: Path, tmp_path: Path, workers: LocalProcesses) -> None:
    run = harness.run(tiny, strategies=["majority"], store=tmp_path / "store", registry=registry, executor=workers)
    (arm,) = run.report["table"]
    assert arm["sizes"] == {"points": None, "reason": "not asked"}
    assert (arm["permuted"]["accuracy"]["value"], arm["permuted"]["accuracy"]["reason"]) == (None, "not asked")
