"""What is peculiar to machines of Hugging Face's Jobs; and, here alone, what moves with a cell and comes back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import UsageError
from harness.processes import LocalProcesses
from harness.remote.endpoint import Endpoint
from harness.remote.faults import Refused
from harness.remote.machines import Hire
from harness.store import Store
from harness_huggingface.flavors import HUB, flavor, unready
from tests.conftest import Command
from tests.plugins.conftest import Moves, figures, states
from tests.support.hub_server import REPO, HubState
from tests.support.machines import CANARY, HUGGINGFACE, Place

pytestmark = pytest.mark.remote


@pytest.fixture(scope="module")
def place() -> Place:
    return HUGGINGFACE


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
    assert (sent["dockerImage"], sent["secrets"]) == ("python:3.12", {"HF_TOKEN": f"hf_{CANARY}"})
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


# -- whole runs --------------------------------------------------------------------------------------------


def test_a_kept_adaptation_comes_back_and_is_asked_again_there(
    hub: HubState, moves: Moves, tiny: Path, tmp_path: Path
) -> None:
    assert [status for status, _ in states(moves("remembers", "reads", keep="all"))] == ["done"] * 2
    (note,) = (tmp_path / "store" / "artifacts").glob("*/remembers/note.txt")
    assert note.read_text() == "learnt once"
    file = tiny.parent / "test.jsonl"
    file.write_text("\n".join(file.read_text().splitlines()[:-1]) + "\n")
    assert [status for status, _ in states(moves("remembers", keep="all"))] == ["done"]
    assert len(hub.jobs) == 3
    store = Store(tmp_path / "store", to_read=True)
    logs = [record.body["log"] for record in store.records("cell")]
    store.close()
    assert [log["remembered"] for log in logs if "remembered" in log] == ["learnt once"]
    carried = [log["documents"] for log in logs if "documents" in log]
    assert carried == [["owls", "larks", "bats", "bees", "foxes", "cats"]], "an asset is made here and read there"


def test_a_cell_past_its_time_there_is_a_timeout_here(hub: HubState, moves: Moves) -> None:
    assert [status for status, _ in states(moves("hangs", time_limit_s=3.0))] == ["timeout"]


@pytest.mark.parametrize("content", [b"garbage", b""])
def test_a_result_that_is_none_is_one_line(hub: HubState, moves: Moves, content: bytes) -> None:
    hub.canned, hub.polls = content, 0
    ((status, reason),) = states(moves("base"))
    assert (status, "the result of job job-0 is refused: it is no sound archive" in str(reason)) == ("failed", True)


def test_a_machine_is_hired_once_its_whole_time_can_be_paid(hub: HubState, moves: Moves) -> None:
    """Three cells of 0.45 USD at most, and 0.6 to spend: one after the other."""
    most: list[int] = []

    def counts(event: Any) -> None:
        running = [job for job in hub.jobs.values() if job["stage"] in ("RUNNING", "SCHEDULING")]
        most.append(len(running))

    done = moves("base", "full", "lora", max_cost_usd=0.6, listeners=[counts])
    assert [status for status, _ in states(done)] == ["done"] * 3
    assert max(most) == 1


@pytest.mark.torch
def test_torch_trains_there_what_it_trains_here(hub: HubState, moves: Moves, tmp_path: Path) -> None:
    """A model of a folder goes with the cell, and answers as it does here."""
    from tests.support.checkpoints import sentence_encoder

    (tmp_path / "tiny-model").mkdir()
    model = sentence_encoder(tmp_path / "tiny-model")
    options: dict[str, Any] = {"backends": ["torch"], "models": [str(model)], "settings": {"lora.epochs": 2}}
    hub.forks = False
    with LocalProcesses(tmp_path) as own:  # this process is not to have PyTorch when it is forked
        options["executor"] = own
        here = moves("lora", on=None, store=tmp_path / "here", **options)
        moved = moves("lora", **options)
    assert {status for status, _ in states(moved)} == {"done"}
    assert figures(moved) == figures(here)
    assert len(hub.jobs) == 1


@pytest.mark.usefixtures("registry")
def test_on_the_command_line(hub: HubState, command: Command, tiny: Path, tmp_path: Path) -> None:
    hub.forks = False
    prices = HUGGINGFACE.price_list(tmp_path)
    arguments = ("run", "--task", tiny, "--strategy", "full", "--backend", "fake", "--json")
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
