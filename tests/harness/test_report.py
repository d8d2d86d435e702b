"""The report document keeps its contract, and no text from a task becomes markup, a formula or an escape."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.plugin import Measurement, MeasureSpec, hookimpl
from harness.processes import LocalProcesses
from harness.registry import Registry, load_registry
from harness.report import build_report
from harness.store import Store
from harness.testing import tiny_task

MEASURES = {
    "accuracy",
    "macro_f1",
    "ece",
    "brier",
    "aurc",
    "abstention",
    "fabrication",
    "overcaution",
    "overfit_gap",
    "group_gap",
    "bias_delta",
    "parity_gap",
    "odds_gap",
    "selection_rate",
    "true_positive_rate",
    "false_positive_rate",
    "flip_rate",
    "forgetting",
    "flip_rate_within",
    "flip_excess",
    "hit_at_k",
    "mrr",
    "hit_right",
    "hit_wrong",
    "miss_right",
    "miss_wrong",
    "train_s",
    "predict_s",
    "latency_p50_ms",
    "latency_p95_ms",
    "peak_ram_bytes",
    "peak_device_bytes",
    "artifact_bytes",
    "index_bytes",
    "energy_kwh",
    "gpu_hours",
    "train_usd",
    "usd_per_1k",
}
FIELDS = {"value", "low", "high", "n", "unit", "better", "basis", "reason", "spread", "p", "points"}


@pytest.fixture(scope="module")
def stores() -> dict[str, Path]:
    """Where the runs of this module are kept."""
    return {}


@pytest.fixture(scope="module")
def made(
    stranger: Path, workers: LocalProcesses, stores: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, Any]]:
    """One run for all: a task whose texts are rotten, strategies of which one fails."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(stranger))
        patch.setenv("PYTHONPATH", str(stranger))
        folder = tmp_path_factory.mktemp("report")
        tiny = tiny_task(folder)
        for name in ("test", "twins"):
            _spoil(folder / f"{name}.jsonl")
        finished = harness.run(
            tiny,
            strategies=["majority", "base", "full", "raises"],
            backends=["fake"],
            store=folder / "store",
            registry=load_registry(),
            executor=workers,
        )
        stores[finished.id] = folder / "store"
        yield json.loads(json.dumps(finished.report, allow_nan=False))


@pytest.fixture(scope="module")
def leaky(made: Mapping[str, Any], workers: LocalProcesses, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store of a run on a task one of whose test questions is trained on.

    After `made`, which starts the workers where the stranger is.
    """
    folder = tmp_path_factory.mktemp("leaky")
    tiny = tiny_task(folder)
    tested = json.loads((folder / "test.jsonl").read_text().splitlines()[0])
    with (folder / "train.jsonl").open("a") as train:
        train.write(json.dumps({**tested, "id": "again"}) + "\n")
    harness.run(tiny, strategies=["majority"], store=folder / "store", executor=workers)
    return folder / "store"


@pytest.mark.slow
def test_serious_findings_about_the_task_stand_above_the_table(leaky: Path) -> None:
    registry = load_registry()
    store = Store(leaky)
    report = build_report(store, registry)
    store.close()
    (finding,) = report["run"]["findings"]
    assert (finding["check"], finding["severity"]) == ("duplicates, trained on and tested", "serious")
    assert finding["examples"] == ["again = owls-4"]
    line = "serious: duplicates, trained on and tested, test, train: 1 pair"
    for name in ("table", "markdown"):
        shown = registry.reporters.get(name).render(report)
        assert line in shown, name
        assert shown.index(line) < shown.index("accuracy")


def test_a_run_of_a_clean_task_has_no_findings(made: Mapping[str, Any]) -> None:
    assert made["run"]["findings"] == []


def test_the_json_contract(made: Mapping[str, Any]) -> None:
    report = made
    assert report["schema"] == "harness.report/1"
    assert {"id", "created", "task", "environment"} <= set(report["run"])
    assert set(report["run"]["task"]) == {"name", "fingerprint"}
    for cell in report["cells"]:
        assert {"key", "arm", "seed", "status", "reason", "usage", "measurements"} <= set(cell)
    assert {arm["backend"] for arm in report["table"]} == {"none", "fake"}
    for arm in report["table"]:
        assert {"arm", "strategy", "backend", "model", "settings", "seeds", "ties"} <= set(arm)
        assert set(arm["measurements"]) == MEASURES
        assert set(arm["tests"]) == {"unseen_facts"}
        assert len(arm["groups"]["gender"]) == 1
        for found in arm["measurements"].values():
            assert set(found) == FIELDS
            assert (found["value"] is None) <= (found["reason"] is not None), "a missing value has a reason"
    assert {"a", "b", "set", "measure", "difference", "low", "high", "p", "p_adjusted", "verdict"} <= set(
        report["comparisons"][0]
    )
    assert {pair["set"] for pair in report["comparisons"]} == {"test", "unseen_facts"}
    assert sum(report["selection"]["test"]["p_best"].values()) == pytest.approx(1)
    assert report["decision"]["outcome"] == "recommended"
    assert {"choice", "ties", "because", "caveats", "would_change_if", "sha256"} <= set(report["decision"])
    assert report["decision"]["declared"] == "defaults"
    assert {each["arm"] for each in report["ownership"]["arms"]} == {arm["arm"] for arm in report["table"]}
    assert report["budget"]["actual"]["wall_s"] > 0


def test_intervals_hold_their_value(made: Mapping[str, Any]) -> None:
    found = made["table"][0]["measurements"]["accuracy"]
    assert found["low"] <= found["value"] <= found["high"]
    assert (found["unit"], found["better"], found["basis"]) == ("%", "higher", "measured")


ROTTEN = "=cmd|' /C calc'!A0 [red]x[/red] <script>alert(1)</script> \x1b[2J | `x` **b** \u202e\n"


@pytest.mark.parametrize("format", ["table", "markdown", "csv", "json"])
def test_text_of_a_task_is_inert(registry: Registry, made: Mapping[str, Any], format: str) -> None:
    report = copy.deepcopy(dict(made))
    for arm in report["table"]:
        arm["arm"] = arm["model"] = ROTTEN
    for cell in report["cells"]:
        cell["reason"] = ROTTEN
    text = registry.reporters.get(format).render(report)
    assert "\x1b[2J" not in text
    if format == "json":
        assert json.loads(text) == report
        return
    assert "\u202e" not in text
    if format == "csv":
        for line in csv.reader(io.StringIO(text)):
            assert not any(cell.lstrip().startswith(("=", "+", "@", "\t", "\r")) for cell in line)
    if format == "markdown":
        assert "<script>" not in text


def _spoil(file: Path) -> None:
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rotten = [{**row, "question": f"{row['question']} {ROTTEN}", "gender": ROTTEN} for row in rows]
    file.write_text("".join(json.dumps(row) + "\n" for row in rotten))


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits(
    registry: Registry, made: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    lines = registry.reporters.get("table").render(made).splitlines()
    assert max(map(len, lines)) <= width
    table = lines[: lines.index("training by epoch")]
    for name in ("majority", "base", "full"):
        assert sum(line.startswith(f"{name} ") for line in table) == 1, "one row per arm"
    assert any("chance to be best: " in line for line in lines)
    assert any("raises" in line and "always fails" in line for line in lines)


def test_the_spread_between_seeds_is_shown(registry: Registry, made: Mapping[str, Any]) -> None:
    report = copy.deepcopy(dict(made))
    for format in ("table", "markdown"):
        assert "seed sd" not in registry.reporters.get(format).render(report)
    report["table"][0]["measurements"]["accuracy"]["spread"] = 1.23
    for format in ("table", "markdown"):
        text = registry.reporters.get(format).render(report)
        assert "seed sd" in text
        assert "1.2" in text


def test_a_report_without_any_arm_is_still_a_report(registry: Registry, made: Mapping[str, Any]) -> None:
    empty = {**made, "table": []}
    for format in registry.reporters.specs:
        assert registry.reporters.get(format).render(empty)


def _lending(folder: Path) -> Path:
    """Labels, one of them positive; 40 women, 40 men and 3 of a third gender are asked about."""
    people = [gender for gender, count in {"f": 40, "m": 40, "x": 3}.items() for _ in range(count)]
    labels = [("granted", "refused")[number % 2] for number in range(len(people))]
    rows = [
        f"{label} {gender} {n},{label},{gender}" for n, (label, gender) in enumerate(zip(labels, people, strict=True))
    ]
    lines = "\n".join(["question,answer,gender", *rows]) + "\n"
    (folder / "train.csv").write_text(
        lines.replace("\ngranted", "\nsurely granted").replace("\nrefused", "\nnever refused")
    )
    (folder / "test.csv").write_text(lines)
    task = folder / "task.toml"
    task.write_text(
        'name = "lending"\nkind = "classification"\n[data]\ntrain = "train.csv"\ntest = "test.csv"\n'
        '[bias]\ngroups = ["gender"]\npositive = "granted"\n'
    )
    return task


@pytest.mark.slow
def test_the_positive_label_is_kept_with_the_task(workers: LocalProcesses, tmp_path: Path) -> None:
    """Also where an older version kept the task without it."""
    task, where = _lending(tmp_path), tmp_path / "store"

    def gap() -> Mapping[str, Any]:
        run = harness.run(task, strategies=["majority"], store=where, registry=load_registry(), executor=workers)
        return run.report["table"][0]["measurements"]["parity_gap"]  # type: ignore[no-any-return]

    before = gap()
    assert (before["value"], before["n"]) == (0, 80)
    store = Store(where)
    (known,) = store.records("task")
    older = {name: value for name, value in known.body.items() if name != "positive"}
    store.append("task", known.key, "", older)
    store.close()
    assert gap() == before


@pytest.mark.slow
def test_values_with_few_rows_are_told(registry: Registry, workers: LocalProcesses, tmp_path: Path) -> None:
    run = harness.run(
        _lending(tmp_path), strategies=["majority"], store=tmp_path / "store", registry=registry, executor=workers
    )
    for format in ("table", "markdown"):
        assert "fewer than 30 rows: gender=x (3)" in registry.reporters.get(format).render(run.report)


class Odd:
    """Measures that return what no report can hold."""

    @hookimpl
    def harness_measures(self) -> list[MeasureSpec]:
        def spec(name: str, returned: Any) -> MeasureSpec:
            return MeasureSpec(name, "", lambda evidence: returned)

        numpy_number = Measurement(np.float32(1.5))  # type: ignore[arg-type]
        return [spec("nan", Measurement(float("nan"))), spec("numpy", numpy_number), spec("none", None)]


def test_an_odd_measure_does_not_take_the_report_with_it(made: Mapping[str, Any], stores: dict[str, Path]) -> None:
    registry = load_registry([("odd", Odd())])
    report = build_report(Store(stores[made["run"]["id"]]), registry)
    found = report["table"][0]["measurements"]
    assert found["nan"]["value"] is None
    assert found["nan"]["reason"] == "the result is no number"
    assert found["numpy"]["value"] == 1.5
    assert "not a Measurement" in found["none"]["reason"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_a_report_without_measures_is_still_a_report(registry: Registry, made: Mapping[str, Any]) -> None:
    bare = copy.deepcopy(dict(made))
    for arm in bare["table"]:
        arm["measurements"], arm["tests"] = {}, {name: {} for name in arm["tests"]}
    for format in registry.reporters.specs:
        assert registry.reporters.get(format).render(bare)
