"""Cells done on machines of Hugging Face's Jobs, against a stand-in whose jobs are processes of this machine."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import UsageError
from harness.orphans import cancel, labelled
from harness.registry import Registry
from harness.remote.endpoint import Endpoint
from harness.remote.faults import Refused
from harness.remote.machines import Hire
from harness.remote.purse import read_ledger
from harness.store import Store
from harness_huggingface.flavors import HUB, flavor, unready
from tests.conftest import Command
from tests.support.hub_server import REPO, HubState, serving
from tests.support.moved import RATES, lived, moved_job, packed_result, result_files
from tests.support.standin import FAULTS

pytestmark = pytest.mark.remote

CANARY = "hf_canary9d41c07e"
PRICES = {("cpu-basic", "machine seconds"): RATES["machine seconds"]}
LIST = (
    '[[price]]\nprovider = "huggingface"\nregion = "any"\nitem = "cpu-basic"\nunit = "hour"\nusd = 0.36\n'
    'valid_from = 2026-11-01\nsource = "made up"\n'
)


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubState]:
    with serving(HubState(key=CANARY)) as (url, state):
        for name, value in surroundings(url).items():
            monkeypatch.setenv(name, value)
        yield state


def surroundings(url: str) -> dict[str, str]:
    return {"HF_ENDPOINT": url, "HF_TOKEN": CANARY, "HF_HARNESS_REPO": REPO, "HF_HARNESS_INSTALL": "true"}


Ran = Callable[..., harness.Run]


@pytest.fixture
def ran(hub: HubState, registry: Registry, tiny: Path, tmp_path: Path) -> Ran:
    """A run whose cells are done on machines."""
    prices = tmp_path / "prices.toml"
    prices.write_text(LIST)

    def run(*strategies: str, on: str | None = "huggingface:cpu-basic", **options: Any) -> harness.Run:
        fields: dict[str, Any] = {
            "strategies": strategies,
            "backends": ["fake"],
            "store": tmp_path / "store",
            "registry": registry,
            "prices": prices,
            "max_cost_usd": 5.0,
            "allow_spend": True,
            "on": on,
        }
        return harness.run(tiny, **{**fields, **options})

    return run


def states(run: harness.Run) -> list[tuple[str, str | None]]:
    return [(cell["status"], cell["reason"]) for cell in run.report["cells"]]


# -- what is known without asking --------------------------------------------------------------------------


def test_flavours_have_the_gpu_that_prices_name() -> None:
    assert (flavor("l4x1").gpu, flavor("l4x1").device) == ("NVIDIA L4", "cuda")
    assert (flavor("cpu-basic").gpu, flavor("cpu-basic").device) == (None, "cpu")
    for name in ("l4x4", "a100x8", "l4", "; rm -rf"):
        with pytest.raises(UsageError):
            flavor(name)


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    away = Endpoint(HUB, "huggingface.co")
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert unready(away) == "HF_TOKEN is not set"
    monkeypatch.setenv("HF_TOKEN", "sk-of-somebody-else")
    assert unready(away) == "HF_TOKEN holds no token of Hugging Face"
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    for name in ("", "cells", "org/cells/more", "org/../x", "org/ce lls"):
        monkeypatch.setenv("HF_HARNESS_REPO", name)
        assert str(unready(away)).startswith("HF_HARNESS_REPO must name a private dataset repository")
    monkeypatch.setenv("HF_HARNESS_REPO", REPO)
    assert unready(away) is None


# -- its verbs ---------------------------------------------------------------------------------------------

HIRE = Hire("cpu-basic", b"cell", 930.7, "0.1.0", ("huggingface", "torch"), "harness-cell-01234567")


@pytest.fixture
def machines(hub: HubState) -> Any:
    from harness_huggingface.machines import machines

    return machines()


def test_an_order_says_all_that_it_must(hub: HubState, machines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HARNESS_INSTALL")
    hub.canned = b"{}"
    made = machines.create(HIRE, "harness/bundles/x.tar.gz", None)
    (sent,) = hub.jobs.values()
    assert (sent["timeoutSeconds"], sent["attempts"], sent["flavor"]) == (930, 1, "cpu-basic")
    assert (sent["dockerImage"], sent["secrets"]) == ("python:3.12", {"HF_TOKEN": CANARY})
    assert CANARY not in json.dumps([sent["command"], sent["environment"], sent["labels"]])
    line = sent["command"][-1]
    assert line.startswith("pip install --no-input 'adapt-harness[huggingface,torch]==0.1.0' && exec python -m ")
    assert (made.label, made.id) == (HIRE.label, "job-0")
    assert [job.id for job in machines.labelled(HIRE.label)] == ["job-0"]
    assert machines.cancel("job-0").told == "CANCELED"


def test_a_bundle_is_sent_once_and_nowhere_that_everybody_reads(hub: HubState, machines: Any) -> None:
    for _ in range(2):
        assert machines.upload("harness-0a.tar.gz", b"cell") == "harness/bundles/harness-0a.tar.gz"
    assert len([path for _, path in hub.requests if path.endswith("/commit/main")]) == 1
    hub.private = False
    with pytest.raises(Refused, match="org/cells is not private"):
        machines.upload("harness-0b.tar.gz", b"cell")
    assert list(hub.files) == ["harness/bundles/harness-0a.tar.gz"]


def test_a_result_that_is_not_there_or_too_large_is_told(hub: HubState, machines: Any) -> None:
    assert machines.result("harness-x", 100) is None
    hub.files["harness/results/harness-x.result.tar.gz"] = b"x" * 101
    with pytest.raises(Refused, match="has 101 bytes, and 100 are read at most"):
        machines.result("harness-x", 100)
    assert machines.result("harness-x", 101) == b"x" * 101


@pytest.mark.parametrize("fault", ["redirect", "429", "429-after"])
def test_an_order_that_was_surely_not_taken_is_refused(hub: HubState, machines: Any, fault: str) -> None:
    hub.faults = lambda method, path: fault if method == "POST" else None
    with pytest.raises(Refused):
        machines.create(HIRE, "b", None)
    assert not hub.jobs
    assert len([each for each in hub.requests if each == ("POST", "/api/jobs/org")]) == 1


# -- never two machines for one cell -----------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(16))
def test_never_two_machines_for_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    import harness_huggingface.machines  # noqa: F401 (imported once, for all that are forked)

    draw, job = random.Random(seed), moved_job(tmp_path / "store")
    fate, faulty = draw.choice(("succeeded",) * 3 + ("failed",)), draw.choice((0, 0.1, 0.3))
    state = HubState(
        key=CANARY,
        polls=1,
        fate=lambda _: fate,
        canned=packed_result(result_files(job)),
        hidden_lists=draw.choice((0, 1)),
        faults=lambda method, path: draw.choice(FAULTS) if draw.random() < faulty else None,
    )
    with serving(state) as (url, _):
        for name, value in surroundings(url).items():
            monkeypatch.setenv(name, value)
        outcome = lived(job, draw, lambda: {each["labels"]["harness"] for each in state.jobs.values()})
    ledger = read_ledger(Path(job["spending"]["file"]))
    assert outcome == ("done" if fate == "succeeded" else "failed")
    assert len(state.jobs) == 1
    assert ledger.known_usd == pytest.approx(state.usd(PRICES), abs=1e-12)
    assert ledger.doubt_usd == 0
    assert CANARY not in Path(job["spending"]["file"]).read_text()


# -- whole runs --------------------------------------------------------------------------------------------


def _figures(run: harness.Run) -> dict[str, Any]:
    """Of a report, what has nothing to do with time or money."""
    names = ("accuracy", "overfitting_gap", "ece", "flip_rate", "index_bytes", "hit_rate")
    return {
        row["arm"]: (
            {name: found["value"] for name, found in row["measurements"].items() if name in names},
            {name: found["accuracy"]["value"] for name, found in row["tests"].items()},
            list(row["epochs"]),
        )
        for row in run.report["table"]
    }


def test_a_moved_run_is_that_of_here_but_for_time_and_money(hub: HubState, ran: Ran, tmp_path: Path) -> None:
    here = ran("majority", "base", "full", on=None, store=tmp_path / "here")
    moved = ran("majority", "base", "full")
    assert {status for status, _ in states(moved)} == {"done"}
    assert _figures(moved) == _figures(here)
    assert len(hub.jobs) == 2, "what runs no model stays here"
    rows = {row["strategy"]: row for row in moved.report["table"]}
    assert any("emulated: done by a stand-in" in note for note in rows["full"]["notes"])
    assert rows["full"]["measurements"]["accuracy"]["basis"] == "emulated"
    assert rows["majority"]["notes"] == []
    assert (
        "a hired machine, huggingface any cpu-basic at 0.36 USD" in rows["full"]["measurements"]["train_usd"]["reason"]
    )
    train_s, train_usd = (rows["full"]["measurements"][name]["value"] for name in ("train_s", "train_usd"))
    assert train_usd == pytest.approx(train_s / 3600 * 0.36)
    assert moved.report["run"]["leaving"][0]["machine"] == "huggingface:cpu-basic"
    paid = sum(read_ledger(file).known_usd for file in (tmp_path / "store" / "paid").glob("*.jsonl"))
    assert paid == pytest.approx(hub.usd(PRICES))
    again = ran("majority", "base", "full")
    assert len(hub.jobs) == 2, "the same command repeats nothing"
    assert _figures(again) == _figures(here)
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert CANARY.encode() not in file.read_bytes(), file
    store = Store(tmp_path / "store", to_read=True)
    logs = [record.body["log"] for record in store.records("cell") if "elsewhere" in record.body["log"]]
    store.close()
    assert {log["elsewhere"]["flavor"] for log in logs} == {"cpu-basic"}
    assert all(log["elsewhere"]["usd"] > 0 for log in logs)


def test_a_kept_adaptation_comes_back_and_is_asked_again_there(
    hub: HubState, ran: Ran, tiny: Path, tmp_path: Path
) -> None:
    assert [status for status, _ in states(ran("remembers", "reads", keep="all"))] == ["done"] * 2
    (note,) = (tmp_path / "store" / "artifacts").glob("*/remembers/note.txt")
    assert note.read_text() == "learnt once"
    file = tiny.parent / "test.jsonl"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    assert [status for status, _ in states(ran("remembers", keep="all"))] == ["done"]
    assert len(hub.jobs) == 3
    store = Store(tmp_path / "store", to_read=True)
    logs = [record.body["log"] for record in store.records("cell")]
    store.close()
    assert [log["remembered"] for log in logs if "remembered" in log] == ["learnt once"]
    carried = [log["documents"] for log in logs if "documents" in log]
    assert carried == [["owls", "larks", "bats", "bees", "foxes", "cats"]], "an asset is made here and read there"


def test_a_job_that_fails_is_told_paid_once_and_not_ordered_again(hub: HubState, ran: Ran) -> None:
    hub.fate = lambda id: "crashed" if id == "job-0" else "succeeded"
    for _ in range(2):
        ((status, reason),) = states(ran("base"))
        assert status == "failed"
        assert "job job-0 ERROR: exited with 3; --fresh orders another machine" in str(reason)
    assert len(hub.jobs) == 1
    assert states(ran("base", fresh=True)) == [("done", None)]
    assert len(hub.jobs) == 2


@pytest.mark.parametrize(
    ("strategy", "status", "told"),
    [("starves", "oom", "out of memory"), ("segfaults", "crashed", "SIGSEGV"), ("raises", "failed", "always fails")],
)
def test_a_bad_end_there_is_the_same_end_here(hub: HubState, ran: Ran, strategy: str, status: str, told: str) -> None:
    for _ in range(2):
        ((found, reason),) = states(ran(strategy))
        assert (found, told in str(reason)) == (status, True)
    assert len(hub.jobs) == 1


def test_a_cell_past_its_time_there_is_a_timeout_here(hub: HubState, ran: Ran) -> None:
    assert [status for status, _ in states(ran("hangs", time_limit_s=3.0))] == ["timeout"]


def test_a_job_that_the_service_ends_is_told(hub: HubState, ran: Ran) -> None:
    hub.limit_s = 0.5
    ((status, reason),) = states(ran("base"))
    assert (status, "Job timeout" in str(reason)) == ("failed", True)


@pytest.mark.parametrize(("content", "told"), [(b"garbage", "no sound archive"), (b"", "no sound archive")])
def test_a_result_that_is_none_is_one_line(hub: HubState, ran: Ran, content: bytes, told: str) -> None:
    hub.changes["results/"] = content
    ((status, reason),) = states(ran("base"))
    assert (status, f"the result of job job-0 is refused: it is {told}" in str(reason)) == ("failed", True)


def test_what_is_left_is_listed_and_ended(hub: HubState, ran: Ran, registry: Registry, tmp_path: Path) -> None:
    hub.fate = lambda id: "stuck"

    def stops(event: Any) -> None:
        if event.name == "cell.waiting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran("base", listeners=[stops])
    (row,) = labelled(registry, tmp_path / "store")
    assert (row["what"], row["job"], row["left"], row["state"]) == ("machine", "job-0", False, "SCHEDULING")
    assert labelled(registry, tmp_path / "other")[0]["left"]
    assert cancel(registry, str(row["label"]), tmp_path / "store").told == "CANCELED"
    ((status, reason),) = states(ran("base"))
    assert (status, "CANCELED" in str(reason)) == ("failed", True)
    assert len(hub.jobs) == 1


def test_a_machine_is_hired_once_its_whole_time_can_be_paid(hub: HubState, ran: Ran) -> None:
    """Three cells of 0.45 USD at most, and 0.6 to spend: one after the other."""
    most: list[int] = []

    def counts(event: Any) -> None:
        running = [job for job in hub.jobs.values() if job["stage"] in ("RUNNING", "SCHEDULING")]
        most.append(len(running))

    done = ran("base", "full", "lora", max_cost_usd=0.6, listeners=[counts])
    assert [status for status, _ in states(done)] == ["done"] * 3
    assert max(most) == 1


@pytest.mark.torch
def test_torch_trains_there_what_it_trains_here(hub: HubState, ran: Ran, tmp_path: Path) -> None:
    """A model of a folder goes with the cell, and answers as it does here."""
    from tests.support.checkpoints import sentence_encoder

    (tmp_path / "tiny-model").mkdir()
    model = sentence_encoder(tmp_path / "tiny-model")
    options: dict[str, Any] = {"backends": ["torch"], "models": [str(model)], "settings": {"lora.epochs": 2}}
    here = ran("base", "lora", on=None, store=tmp_path / "here", **options)
    moved = ran("base", "lora", **options)
    assert {status for status, _ in states(moved)} == {"done"}
    assert _figures(moved) == _figures(here)
    assert len(hub.jobs) == 2


@pytest.mark.usefixtures("registry")
def test_on_the_command_line(hub: HubState, command: Command, tiny: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(LIST)
    arguments = ("run", "--task", tiny, "--strategy", "base,full", "--backend", "fake", "--json")
    spends = ("--on", "huggingface:cpu-basic", "--allow-spend", "--max-cost", "5", "--prices", prices)
    plain = command(*arguments, "--store", tmp_path / "here")
    refused = command(*arguments, "--store", tmp_path / "no", "--on", "huggingface:cpu-basic")
    moved = command(*arguments, "--store", tmp_path / "there", *spends)
    assert moved.returncode == 0, moved.stderr
    assert refused.returncode != 0
    accuracies = [
        {row["arm"]: row["measurements"]["accuracy"]["value"] for row in json.loads(ended.stdout)["table"]}
        for ended in (plain, moved)
    ]
    assert accuracies[0] == accuracies[1]
    assert "hires huggingface:cpu-basic at http://127.0.0.1" in moved.stderr
