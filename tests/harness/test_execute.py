"""Running: typed ends, resuming, leases, kept adaptations, assets. All on the fake backend."""

from __future__ import annotations

import json
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

import harness
from harness import codec
from harness.cell import CellContext
from harness.channel import Channel
from harness.checks import InvalidAnswers, checked
from harness.contracts import Event
from harness.errors import HarnessError, StoreError
from harness.processes import LocalProcesses
from harness.registry import Registry, load_registry
from harness.report import build_report
from harness.store import Store
from harness.types import Answers, Epoch, Question, Text

STRATEGIES = ("base", "full")


class Heard(list[Event]):
    """A listener that remembers."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def ran(self) -> list[str]:
        return [event.data["arm"] for event in self if event.name == "cell.started"]

    def epochs(self) -> int:
        return sum(event.name == "cell.epoch" for event in self)


Runs = Callable[..., tuple[dict[str, Any], Heard]]


@pytest.fixture
def run(registry: Registry, tiny: Path, workers: LocalProcesses) -> Runs:
    """Runs the tiny task on the fake backend; returns the report, and what was heard of the run."""

    def run(store: Path, *strategies: str, **more: Any) -> tuple[dict[str, Any], Heard]:
        heard = Heard()
        finished = harness.run(
            tiny,
            strategies=strategies or STRATEGIES,
            store=store,
            registry=registry,
            listeners=[heard],
            **{"executor": workers, "backends": ["fake"], **more},
        )
        return dict(finished.report), heard

    return run


def figures(report: dict[str, Any]) -> dict[str, Any]:
    """What must not depend on when or where a run was made."""
    timed = ("train_s", "predict_s", "latency_p50_ms", "latency_p95_ms", "peak_ram_bytes", "train_usd", "usd_per_1k")
    return {
        arm["arm"]: {
            "measurements": {name: found for name, found in arm["measurements"].items() if name not in timed},
            "tests": arm["tests"],
            "groups": arm["groups"],
        }
        for arm in report["table"]
    }


@pytest.mark.slow
def test_in_how_many_parts_a_set_is_held_changes_no_figure(
    run: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, _ = run(tmp_path / "whole", "majority", "full")
    monkeypatch.setattr(codec, "PART_ROWS", 2)
    parts, _ = run(tmp_path / "parts", "majority", "full")
    assert figures(parts) == figures(whole)
    assert [cell["key"] for cell in parts["cells"]] == [cell["key"] for cell in whole["cells"]]
    snapshot = next(Store(tmp_path / "parts").records("task")).body
    assert [len(found["parts"]) for name, found in snapshot["sets"].items() if name in ("train", "twins")] == [6, 6]


def states(report: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    return {cell["arm"].split("@")[0]: (cell["status"], cell["reason"]) for cell in report["cells"]}


def test_training_beats_the_floor_and_the_unadapted_model(run: Runs, tmp_path: Path) -> None:
    report, _ = run(tmp_path / "store")
    accuracy = {arm["strategy"]: arm["measurements"]["accuracy"]["value"] for arm in report["table"]}
    assert accuracy["full"] == 100.0
    assert accuracy["full"] > accuracy["base"]
    assert {cell["status"] for cell in report["cells"]} == {"done"}


@pytest.mark.slow
def test_two_runs_in_two_stores_agree(run: Runs, tmp_path: Path) -> None:
    first, _ = run(tmp_path / "a")
    second, _ = run(tmp_path / "b", jobs=2)
    assert figures(first) == figures(second)


@pytest.mark.slow
def test_the_same_run_repeats_nothing_and_fresh_repeats_all(run: Runs, tmp_path: Path) -> None:
    first, heard = run(tmp_path / "store")
    assert len(heard.ran()) == 2
    second, heard = run(tmp_path / "store")
    assert heard.ran() == []
    assert all(cell["reused"] for cell in second["cells"])
    assert first["table"] == second["table"]
    _, heard = run(tmp_path / "store", fresh=True)
    assert len(heard.ran()) == 2


MISBEHAVIOUR = {
    "raises": ("failed", "this strategy always fails"),
    "exits": ("crashed", "exited with status 7 before it had finished"),
    "leaves": ("crashed", "exited with status 0 before it had finished"),
    "segfaults": ("crashed", "killed by SIGSEGV"),
    "hangs": ("timeout", "ran past its time limit; raise it with --time-limit"),
    "starves": ("oom", "out of memory"),
    "not-finite": ("invalid", "question 'owls-4' got a score that is not finite"),
    "too-few": ("invalid", "4 questions got 3 answers"),
    "broken-asset": ("failed", "asset listed: no such index"),
}


@pytest.mark.slow
def test_misbehaviour_is_one_typed_cell_and_changes_no_other(run: Runs, tmp_path: Path) -> None:
    alone, _ = run(tmp_path / "alone")
    before = psutil.Process().children(recursive=True)
    report, _ = run(tmp_path / "store", *MISBEHAVIOUR, *STRATEGIES, time_limit_s=2.5, executor=None)
    ended = states(report)
    assert {name: ended[name] for name in MISBEHAVIOUR} == MISBEHAVIOUR
    assert figures(report) == figures(alone)
    (cell,) = (cell for cell in report["cells"] if cell["arm"].startswith("segfaults"))
    log = (tmp_path / "store" / "logs" / f"{cell['key']}.log").read_text()
    assert "Fatal Python error: Segmentation fault" in log
    assert "in _segfaults" in log
    assert psutil.Process().children(recursive=True) == before, "its processes ended with it"


@pytest.mark.slow
def test_a_hanging_cell_holds_up_no_other(run: Runs, tmp_path: Path) -> None:
    report, heard = run(tmp_path / "store", "hangs", "slow", "base", jobs=3, time_limit_s=1.5, seeds=(0, 1))
    assert {cell["status"] for cell in report["cells"] if not cell["arm"].startswith("hangs")} == {"done"}
    assert states(report)["hangs"][0] == "timeout"
    ends = [event.data["arm"] for event in heard if event.name == "cell.ended"]
    assert ends[-1] == "hangs@fake:words"


@pytest.mark.slow
def test_a_framework_that_hangs_on_import_is_a_timeout(run: Runs, tmp_path: Path) -> None:
    report, _ = run(tmp_path / "store", "base", backends=["stuck", "fake"], time_limit_s=2.5, executor=None)
    assert {cell["arm"]: cell["status"] for cell in report["cells"]} == {
        "base@stuck:words": "timeout",
        "base@fake:words": "done",
    }


@pytest.mark.slow
def test_a_framework_that_breaks_on_import_breaks_only_what_needs_it(run: Runs, tmp_path: Path) -> None:
    report, _ = run(tmp_path / "store", "base", backends=["cracked"], executor=None)
    assert report["cells"][0]["status"] == "done", "the fake backend does not need what it preloads"


@pytest.mark.slow
def test_energy_can_be_estimated_where_no_counter_tells_it(run: Runs, tmp_path: Path) -> None:
    pytest.importorskip("codecarbon")
    report, _ = run(tmp_path / "store", "full", energy="codecarbon", executor=None)
    (arm,) = report["table"]
    found = arm["measurements"]["energy_kwh"]
    assert found["value"] > 0
    assert found["basis"] == "estimated"
    assert found["reason"].startswith("estimated by codecarbon 3")
    (cell,) = report["cells"]
    assert cell["usage"]["total"]["energy_j"] > 0


@pytest.mark.slow
def test_a_library_that_opens_a_gpu_on_import_costs_its_cells_time_and_nothing_else(run: Runs, tmp_path: Path) -> None:
    report, _ = run(tmp_path / "store", "base", "full", backends=["opener", "fake"], executor=None)
    assert {cell["status"] for cell in report["cells"]} == {"done"}
    for opener, plain in zip(report["table"][::2], report["table"][1::2], strict=True):
        assert opener["measurements"]["accuracy"]["value"] == plain["measurements"]["accuracy"]["value"]


def test_a_cell_whose_training_diverged_says_so() -> None:
    context = CellContext({}, 0, Channel(socket.socketpair()[0]), {}, {}, None, None)
    with pytest.raises(
        HarnessError, match="training diverged: the loss of epoch 2 is no number; lower the learning rate"
    ):
        context.progress(Epoch(2, float("nan"), None, None))


def test_scores_are_checked_as_they_are_stored() -> None:
    question = Question("q", (Text("which?"),), ("a", "b"))
    with pytest.raises(InvalidAnswers, match="not finite"):
        checked([question], Answers((np.array([1e300, 1e301]),)))  # type: ignore[arg-type]


def test_a_failed_cell_runs_again(run: Runs, tmp_path: Path) -> None:
    run(tmp_path / "store", "raises", "base")
    _, heard = run(tmp_path / "store", "raises", "base")
    assert heard.ran() == ["raises@fake:words"]


def test_what_a_plugin_prints_goes_to_its_log(run: Runs, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    report, _ = run(tmp_path / "store", "babbles")
    assert states(report)["babbles"] == ("done", None)
    out, err = capfd.readouterr()
    assert "on std" not in out + err
    log = tmp_path / "store" / "logs" / f"{report['cells'][0]['key']}.log"
    assert "on stdout" in log.read_text()
    assert "on stderr" in log.read_text()


def test_an_asset_is_made_once_and_read_by_every_cell(run: Runs, tmp_path: Path) -> None:
    _, heard = run(tmp_path / "store", "reads")
    assert [event.name for event in heard if event.name.startswith("asset")] == ["asset.started", "asset.done"]
    _, heard = run(tmp_path / "store", "reads", fresh=False)
    assert not [event for event in heard if event.name.startswith("asset")]
    store = Store(tmp_path / "store")
    (record,) = store.records("cell")
    assert record.body["log"]["documents"] == ["owls", "larks", "bats", "bees", "foxes", "cats"]


def test_seeds_are_cells_of_their_own_and_their_spread_is_shown(run: Runs, tmp_path: Path) -> None:
    report, heard = run(tmp_path / "store", "base", "full", seeds=(0, 1, 2))
    assert len(heard.ran()) == 4
    trained = next(arm for arm in report["table"] if arm["strategy"] == "full")
    assert trained["seeds"] == [0, 1, 2]
    assert trained["measurements"]["accuracy"]["spread"] is not None
    assert trained["notes"] == []


def test_a_trained_arm_with_one_seed_says_so(run: Runs, tmp_path: Path) -> None:
    report, _ = run(tmp_path / "store", "base", "full")
    notes = {arm["strategy"]: arm["notes"] for arm in report["table"]}
    assert notes == {"base": [], "full": ["this checkpoint only"]}


def test_a_kept_adaptation_is_asked_a_new_set_without_training(run: Runs, tiny: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first, heard = run(store, "full", "remembers", keep="all")
    assert heard.epochs() > 0
    _change_test_set(tiny)
    second, heard = run(store, "full", "remembers")
    assert sorted(heard.ran()) == ["full@fake:words", "remembers@fake:words"]
    assert heard.epochs() == 0
    logs = [record.body["log"] for record in Store(store).records("cell")]
    assert [log["remembered"] for log in logs if "remembered" in log] == ["learnt once"]
    for before, after in zip(first["table"], second["table"], strict=True):
        assert after["measurements"]["train_s"] == before["measurements"]["train_s"]
        assert after["measurements"]["predict_s"] != before["measurements"]["predict_s"], (
            "of the set that was asked now"
        )
        assert after["measurements"]["accuracy"]["n"] == before["measurements"]["accuracy"]["n"] - 1


def test_without_keep_a_new_set_means_training_again(run: Runs, tiny: Path, tmp_path: Path) -> None:
    run(tmp_path / "store", "full")
    _change_test_set(tiny)
    _, heard = run(tmp_path / "store", "full")
    assert heard.epochs() > 0


@pytest.mark.slow
def test_keeping_what_was_not_kept_makes_it_again(run: Runs, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(store, "base", "full")
    _, heard = run(store, "base", "full", keep="best")
    assert heard.ran() == ["base@fake:words", "full@fake:words"]
    assert len(list((store / "artifacts").iterdir())) == 1
    _, heard = run(store, "base", "full", keep="best")
    assert heard.ran() == [], "what was dropped for a better one is not made again"


def test_a_report_is_of_its_own_run(run: Runs, tmp_path: Path) -> None:
    store = tmp_path / "store"
    first, _ = run(store, "full")
    failed = {"status": "failed", "reason": "later", "usage": {}, "log": {}, "contended": False}
    Store(store).append("cell", first["cells"][0]["key"], "a later run", failed)
    again = build_report(Store(store), load_registry(), first["run"]["id"])
    assert again["table"] == first["table"]
    _, heard = run(store, "full")
    assert heard.ran() == [], "what was once done is still done"


def test_a_kept_adaptation_moves_with_its_store(run: Runs, tiny: Path, tmp_path: Path) -> None:
    run(tmp_path / "store", "full", keep="all")
    shutil.move(tmp_path / "store", tmp_path / "elsewhere")
    _change_test_set(tiny)
    _, heard = run(tmp_path / "elsewhere", "full")
    assert heard.ran() == ["full@fake:words"]
    assert heard.epochs() == 0


def test_a_damaged_kept_adaptation_is_not_asked(run: Runs, tiny: Path, tmp_path: Path) -> None:
    store = tmp_path / "store"
    run(store, "full", keep="all")
    (weights,) = store.glob("artifacts/*/model/weights.json")
    weights.write_text(weights.read_text() + " ")
    _change_test_set(tiny)
    _, heard = run(store, "full")
    assert heard.epochs() > 0


@pytest.mark.slow
def test_keep_best_leaves_one(run: Runs, tmp_path: Path) -> None:
    store = tmp_path / "store"
    report, _ = run(store, "base", "slow", "full", keep="best")
    (kept,) = (store / "artifacts").iterdir()
    best = next(cell for cell in report["cells"] if cell["key"] == kept.name)
    assert best["arm"] == "full@fake:words"


@pytest.mark.parametrize("damage", [lambda found: found[:-20], lambda found: bytes([found[0] ^ 1]) + found[1:]])
@pytest.mark.slow
def test_damaged_parts_are_never_believed_and_made_again(
    run: Runs, tmp_path: Path, damage: Callable[[bytes], bytes]
) -> None:
    """Questions and answers alike, cut short or with one bit changed."""
    store = tmp_path / "store"
    first, _ = run(store, "base")
    for part in store.glob("parts/*/*.arrow"):
        part.write_bytes(damage(part.read_bytes()))
    with pytest.raises(StoreError, match="damaged in the store; run the same command again"):
        build_report(Store(store), load_registry())
    second, heard = run(store, "base")
    assert heard.ran() == ["base@fake:words"]
    assert figures(first) == figures(second)


def test_a_task_without_training_skips_what_trains(run: Runs, tiny: Path, tmp_path: Path) -> None:
    text = tiny.read_text().replace('train = "train.jsonl"\nvalidation = "validation.jsonl"\n', "")
    tiny.write_text(text.replace('{ file = "unseen.jsonl", disjoint_by = "fact" }', '"unseen.jsonl"'))
    report, _ = run(tmp_path / "store", "base", "full")
    assert states(report) == {"base": ("done", None), "full": ("skipped", "the task has no training questions")}
    assert report["table"][0]["measurements"]["overfit_gap"]["value"] is None


def test_limit_cuts_by_whole_clusters(run: Runs, tmp_path: Path) -> None:
    report, _ = run(tmp_path / "store", "base", limit=2)
    assert report["table"][0]["measurements"]["accuracy"]["n"] == 2


def test_the_frame_has_one_row_per_arm_set_and_measure(
    registry: Registry, tiny: Path, workers: LocalProcesses, tmp_path: Path
) -> None:
    finished = harness.run(
        tiny,
        strategies=["base", "full"],
        backends=["fake"],
        store=tmp_path / "store",
        registry=registry,
        executor=workers,
    )
    frame = finished.frame()
    assert set(frame["set"]) == {"test", "unseen_facts"}
    assert not frame.duplicated(["arm", "set", "measure"]).any()


def test_a_moved_store_still_reports(run: Runs, registry: Registry, tmp_path: Path) -> None:
    first, _ = run(tmp_path / "store", "base")
    shutil.move(tmp_path / "store", tmp_path / "elsewhere")
    assert json.dumps(build_report(Store(tmp_path / "elsewhere"), registry)["table"]) == json.dumps(first["table"])


def _change_test_set(tiny: Path) -> None:
    file = tiny.parent / "test.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[1:]))
