"""Two keys: what shaped an adaptation decides whether it is trained again, the questions asked do not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.api import plan
from harness.errors import UsageError
from harness.plan import Plan
from harness.registry import Registry, load_registry
from harness.request import Request
from harness.testing import FakePlugin, fake_spec

STRATEGIES = ("base", "full", "rag:retriever=bm25", "full+rag:retriever=bm25")
Plans = Callable[..., Plan]


@pytest.fixture
def planned(registry: Registry, tiny: Path) -> Plans:
    def make(**changes: Any) -> Plan:
        return plan(
            Request(**{"task": str(tiny), "strategies": STRATEGIES, "backends": ("fake",), **changes}), registry
        )

    return make


def keys(made: Plan) -> dict[str, str]:
    return {cell.cell.arm.name: cell.cell.key for cell in made.cells}


def edit(file: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    rows = change([json.loads(line) for line in file.read_text().splitlines()])
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_another_test_set_trains_nothing_again_but_retrieves(planned: Plans, tiny: Path) -> None:
    before = planned()
    edit(tiny.parent / "test.jsonl", lambda rows: rows[1:])
    after = planned()
    assert keys(after) == keys(before)
    assert {asset.key for asset in after.assets}.isdisjoint(asset.key for asset in before.assets)


@pytest.mark.parametrize("name", ["train", "validation", "documents"])
def test_whatever_shapes_an_adaptation_is_in_its_key(planned: Plans, tiny: Path, name: str) -> None:
    before = keys(planned())
    edit(tiny.parent / f"{name}.jsonl", lambda rows: rows[::-1])
    assert set(keys(planned()).values()).isdisjoint(before.values())


@pytest.mark.parametrize("changes", [{"seeds": (1,)}, {"settings": {"full.lr": "0.5"}}])
def test_seeds_and_settings_change_what_they_shape(planned: Plans, changes: dict[str, Any]) -> None:
    before, after = keys(planned()), keys(planned(**changes))
    same = {arm for arm in before if before[arm] == after[arm]}
    assert same == {"base@fake:words", "rag:retriever=bm25@fake:words"}


def test_a_setting_is_the_same_wherever_it_is_given(planned: Plans) -> None:
    inline = planned(strategies=("rag:retriever=bm25:k=3",))
    apart = planned(strategies=("rag",), settings={"rag.retriever": "bm25", "rag.k": "3"})
    assert [cell.cell.key for cell in inline.cells] == [cell.cell.key for cell in apart.cells]
    both = planned(strategies=("rag:retriever=bm25", "rag:retriever=bm25:k=3"))
    assert len(keys(both)) == 2


def test_an_encoder_that_is_not_there_is_told_in_the_plan(planned: Plans, tmp_path: Path) -> None:
    (cell,) = planned(strategies=(f"rag:encoder={tmp_path}",)).cells
    assert cell.cell.status == "skipped"
    assert "has no *.safetensors" in (cell.cell.reason or "")


def test_a_backend_tells_why_it_lacks_something(tiny: Path) -> None:
    told = fake_spec("told", why_not=lambda card, capability: f"{card.id} has no {capability.split(':')[1]} here")
    registry = load_registry([("untold", FakePlugin()), ("told", FakePlugin(told))])
    made = plan(Request(task=str(tiny), strategies=("qlora",), backends=("fake", "told")), registry)
    assert [(cell.cell.status, cell.cell.reason) for cell in made.cells] == [
        ("skipped", "fake does not offer tune:qlora:choice for words"),
        ("skipped", "told does not offer tune:qlora:choice for words: words has no qlora here"),
    ]


def test_a_control_needs_evidence(planned: Plans, tiny: Path) -> None:
    tiny.write_text(tiny.read_text().replace('evidence = "document"\n', ""))
    (cell,) = planned(strategies=("rag:passages=oracle",)).cells
    assert "does not say which documents hold the answers" in (cell.cell.reason or "")


def test_few_of_each_label_are_trained_on_and_all_are_tested(registry: Registry, tmp_path: Path) -> None:
    for name, copies in (("train", 9), ("test", 4)):
        rows = [f"{label} {n},{label}" for label in ("card", "loan") for n in range(copies)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["question,answer", *rows]) + "\n")
    task = tmp_path / "task.toml"
    task.write_text('name = "t"\nkind = "classification"\n[data]\ntrain = "train.csv"\ntest = "test.csv"\n')

    def asked(**changes: Any) -> Plan:
        return plan(Request(task=str(task), strategies=("tfidf",), **changes), registry)

    few, all_ = asked(per_label=3), asked()
    assert few.task.train is not None
    assert [sum(row.gold == label for row in few.task.train.rows) for label in (0, 1)] == [3, 3]
    assert few.task.test == all_.task.test
    assert keys(few) != keys(all_)


def test_few_of_each_label_needs_labels(planned: Plans) -> None:
    with pytest.raises(UsageError, match="--per-label needs a task with labels"):
        planned(per_label=3)
