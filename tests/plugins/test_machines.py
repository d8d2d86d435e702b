"""Cells done on hired machines, wherever they are hired, against stand-ins whose jobs are processes of this machine."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from harness.later import resolve
from harness.orphans import cancel, labelled
from harness.registry import Registry
from harness.remote.purse import read_ledger
from harness.store import Store
from tests.plugins.conftest import Moves, figures, states
from tests.support.machines import CANARY, USD_PER_HOUR, Place
from tests.support.moved import lived, moved_job, packed_result, result_files
from tests.support.standin import FAULTS

pytestmark = pytest.mark.remote

SEEDS = 10


def test_never_two_machines_for_one_cell(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(SEEDS):
        draw = random.Random(seed)
        where = {"machines": place.name, "load": place.machines, "flavor": place.flavor}
        job = moved_job(tmp_path / str(seed), elsewhere=where)
        fate, faulty = draw.choice(("succeeded",) * 3 + ("failed",)), draw.choice((0, 0.1, 0.3))
        state = place.state(
            polls=1,
            fate=lambda _, fate=fate: fate,
            canned=packed_result(result_files(job)),
            hidden_lists=draw.choice((0, 1)),
            faults=lambda method, path, draw=draw, faulty=faulty: (
                draw.choice(FAULTS) if draw.random() < faulty else None
            ),
        )
        with place.serving(state) as (url, _):
            for name, value in place.environment(url).items():
                monkeypatch.setenv(name, value)
            resolve(place.machines)()  # reads the SDK's files once, for all that are forked
            outcome = lived(job, draw, lambda state=state: {place.label(each) for each in place.jobs(state).values()})
        ledger = read_ledger(Path(job["spending"]["file"]))
        assert outcome == ("done" if fate == "succeeded" else "failed"), seed
        assert len(place.jobs(state)) == 1, seed
        assert ledger.known_usd == pytest.approx(state.usd(place.rates), abs=1e-12), seed
        assert ledger.doubt_usd == 0, seed
        assert CANARY not in Path(job["spending"]["file"]).read_text()


def test_a_moved_run_is_that_of_here_but_for_time_and_money(
    place: Place, hub: Any, moves: Moves, tmp_path: Path
) -> None:
    """Its jobs are processes that share nothing with this one."""
    hub.forks = False
    here = moves("majority", "base", "full", on=None, store=tmp_path / "here")
    moved = moves("majority", "base", "full")
    assert {status for status, _ in states(moved)} == {"done"}
    assert figures(moved) == figures(here)
    assert len(place.jobs(hub)) == 2, "what runs no model stays here"
    rows = {row["strategy"]: row for row in moved.report["table"]}
    assert any("emulated: done by a stand-in" in note for note in rows["full"]["notes"])
    measured = rows["full"]["measurements"]
    assert measured["accuracy"]["basis"] == "emulated"
    assert rows["majority"]["notes"] == []
    priced = f"a hired machine, {place.name} any {place.flavor} at {USD_PER_HOUR} USD"
    assert priced in measured["train_usd"]["reason"]
    assert measured["train_usd"]["value"] == pytest.approx(measured["train_s"]["value"] / 3600 * USD_PER_HOUR)
    assert moved.report["run"]["leaving"][0]["machine"] == f"{place.name}:{place.flavor}"
    paid = sum(read_ledger(file).known_usd for file in (tmp_path / "store" / "paid").glob("*.jsonl"))
    assert paid == pytest.approx(hub.usd(place.rates))
    again = moves("majority", "base", "full")
    assert len(place.jobs(hub)) == 2, "the same command repeats nothing"
    assert figures(again) == figures(here)
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert CANARY.encode() not in file.read_bytes(), file
    store = Store(tmp_path / "store", to_read=True)
    logs = [record.body["log"] for record in store.records("cell") if "elsewhere" in record.body["log"]]
    store.close()
    assert {log["elsewhere"]["flavor"] for log in logs} == {place.flavor}
    assert all(log["elsewhere"]["usd"] > 0 for log in logs)


def test_a_job_that_fails_is_told_paid_once_and_not_ordered_again(place: Place, hub: Any, moves: Moves) -> None:
    fate, told = place.bad
    hub.fate = lambda id: fate
    for _ in range(2):
        ((status, reason),) = states(moves("base"))
        assert status == "failed"
        assert f"{told}; --fresh orders another machine" in str(reason)
    assert len(place.jobs(hub)) == 1
    hub.fate = lambda id: "succeeded"
    assert states(moves("base", fresh=True)) == [("done", None)]
    assert len(place.jobs(hub)) == 2


def test_a_bad_end_there_is_the_same_end_here(place: Place, hub: Any, moves: Moves) -> None:
    ends = {"starves": ("oom", "out of memory"), "segfaults": ("crashed", "SIGSEGV"), "raises": ("failed", "fails")}
    for _ in range(2):
        run = moves(*ends)
        for cell in run.report["cells"]:
            status, told = ends[cell["arm"].partition("@")[0]]
            assert (cell["status"], told in str(cell["reason"])) == (status, True), cell["arm"]
    assert len(place.jobs(hub)) == len(ends)


def test_a_job_that_the_service_ends_is_told(place: Place, hub: Any, moves: Moves) -> None:
    hub.limit_s = 0.3
    ((status, reason),) = states(moves("hangs"))
    assert (status, place.overdue in str(reason)) == ("failed", True)


def test_what_is_left_is_listed_and_ended(
    place: Place, hub: Any, moves: Moves, registry: Registry, tmp_path: Path
) -> None:
    hub.fate = lambda id: "stuck"

    def stops(event: Any) -> None:
        if event.name == "cell.waiting":
            raise KeyboardInterrupt

    def machines(store: str) -> list[dict[str, Any]]:
        return [dict(row) for row in labelled(registry, tmp_path / store) if row["what"] == "machine"]

    with pytest.raises(KeyboardInterrupt):
        moves("base", listeners=[stops])
    (row,) = machines("store")
    assert (row["backend"], row["left"], row["state"]) == (place.name, False, place.begun)
    assert row["job"] in place.jobs(hub)
    assert machines("other")[0]["left"]
    assert cancel(registry, str(row["label"]), tmp_path / "store").told == place.cancelled
    ((status, reason),) = states(moves("base"))
    assert (status, place.cancelled in str(reason)) == ("failed", True)
    assert len(place.jobs(hub)) == 1
