"""Endpoints of SageMaker that are rented for a cell: once, paid by the hour, and in the end none."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.orphans import cancel, labelled
from harness.plugin import Kind
from harness.registry import load_registry
from harness.remote.faults import Doubtful, Refused
from harness.remote.hosting import HOSTING
from harness.remote.orders import StillWaiting
from harness.remote.purse import Purse, read_ledger
from harness_aws.sagemaker.backend import load
from harness_aws.sagemaker.capabilities import describe
from tests.plugins.conftest import Opened, Runs
from tests.support.forked import Command
from tests.support.sagemaker_server import SageMakerState
from tests.support.services import CAP_USD, SAGEMAKER, Service, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

CHAT, RENTED = SAGEMAKER.model, SAGEMAKER.lived_model
FREE = {
    **dict.fromkeys(("input tokens", "output tokens", "embedding tokens"), 0.0),
    HOSTING: SAGEMAKER.hour_usd * 1e6 / 3600,
}


@pytest.fixture(scope="module")
def service() -> Service:
    return SAGEMAKER


Rented = Callable[..., Any]


@pytest.fixture
def rented(tmp_path: Path, server: SageMakerState) -> Iterator[Rented]:
    """A session once its endpoint answers; each look is that of a new one, as a cell does."""
    sessions = []

    def opens(model: str = RENTED, file: str = "cell.jsonl", looks: int = 50) -> Any:
        for _ in range(looks):
            purse = Purse(tmp_path / file, FREE, CAP_USD)
            try:
                session = load().open(describe(model), kind=Kind.CHOICE, labels=(), seed=0, purse=purse)
            except StillWaiting:
                purse.close()
                continue
            session.close = functools.cache(session.close)  # type: ignore[method-assign]  # a test may have closed it
            sessions.append(session)
            return session
        raise AssertionError("it never answers")

    yield opens
    for session in sessions:
        session.close()


def ledger(tmp_path: Path, file: str = "cell.jsonl") -> Any:
    return read_ledger(tmp_path / file)


def test_it_is_rented_answers_and_is_removed_and_its_time_is_paid(
    server: SageMakerState, opened: Opened, rented: Rented, tmp_path: Path
) -> None:
    session = rented()
    (name,) = server.endpoints
    assert name.startswith("harness-cell-")
    assert server.endpoints[name]["Tags"] == [{"Key": "harness", "Value": name}]
    (variant,) = server.configs[name]["ProductionVariants"]
    assert (variant["ModelName"], variant["InstanceType"], variant["InitialInstanceCount"]) == (
        "llama",
        "ml.g5.xlarge",
        1,
    )
    assert session.answer(questions(6)).chosen == opened(file="running.jsonl").answer(questions(6)).chosen
    used = session.usage().billed
    session.close()
    assert (server.endpoints, server.configs, server.created) == ({}, {}, 1)
    found, (rented_s,) = ledger(tmp_path), server.rented_s
    assert rented_s <= found.billed[HOSTING] <= rented_s + 3, "rather a little too much than too little"
    assert found.known_usd == pytest.approx(found.billed[HOSTING] / 3600 * SAGEMAKER.hour_usd), (
        "its tokens cost nothing"
    )
    assert found.doubt_usd == 0
    assert used["input tokens"] == server.tokens[name, "input tokens"]


def test_vectors_come_from_one_too_and_are_paid_for_once(server: SageMakerState, rented: Rented) -> None:
    rows = []
    for _ in range(2):
        session = rented("model/bge-small@ml.m5.large")
        rows.append(session.embed(["one text", "another"]))
        session.close()
    assert np.array_equal(*rows)
    assert server.calls.total() == 1, "the endpoint has the same name whenever it is rented"
    assert server.created == 2


@pytest.mark.parametrize("fault", ["drop-before", "drop-after", "truncated", "500", "429"])
@pytest.mark.parametrize("path", ["/CreateEndpointConfig", "/CreateEndpoint", "/DescribeEndpoint", "/DeleteEndpoint"])
def test_a_fault_rents_no_second_one_and_leaves_none(
    server: SageMakerState, rented: Rented, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, fault: str, path: str
) -> None:
    from harness.remote import hosting

    monkeypatch.setattr(hosting, "DOUBT_S", 0.2)
    faults = [fault]
    server.faults = lambda method, where: faults.pop() if faults and where == path else None
    session = rented(looks=1000)
    session.answer(questions(2))
    session.close()
    assert (server.created, server.endpoints, server.configs) == (1, {}, {})
    assert ledger(tmp_path).doubt_usd == 0


def test_a_name_that_is_taken_is_looked_at(server: SageMakerState, rented: Rented) -> None:
    from harness_aws.sagemaker.endpoints import deployments

    rented()
    (name,) = server.endpoints
    with pytest.raises(Doubtful, match="already existing endpoint"):
        deployments().start(name, RENTED)
    assert server.created == 1


@pytest.mark.parametrize(
    ("fate", "told"),
    [
        ("failed-endpoint", "failed: Failed: The container did not pass the ping health check"),
        ("no-room", "quota is used up: 400 ResourceLimitExceeded"),
    ],
)
def test_one_that_fails_is_told_and_leaves_nothing(
    server: SageMakerState, rented: Rented, tmp_path: Path, fate: str, told: str
) -> None:
    server.fate = lambda name: fate
    with pytest.raises(HarnessError, match=told):
        rented()
    assert (server.endpoints, server.configs) == ({}, {})
    assert ledger(tmp_path).doubt_usd == 0


def test_a_model_that_is_not_there_is_told_and_nothing_is_rented(server: SageMakerState, rented: Rented) -> None:
    with pytest.raises(Refused, match="Could not find model"):
        rented("model/nobody@ml.g5.xlarge")
    assert (server.created, server.endpoints, server.configs) == (0, {}, {})


def test_one_that_still_starts_cannot_be_removed_and_stays_ours(server: SageMakerState, rented: Rented) -> None:
    """SageMaker refuses it; what cannot be removed is not taken for gone."""
    from harness_aws.sagemaker.endpoints import deployments

    server.fate = lambda name: "stuck-endpoint"
    with pytest.raises(AssertionError, match="it never answers"):
        rented()
    (name,) = server.endpoints
    with pytest.raises(Refused, match="in-progress") as refused:
        deployments().stop(name)
    assert refused.value.retry_s is not None, "it is to be tried again"
    assert name in server.configs
    server.fate = lambda name: "succeeded"
    deployments().look(name)
    deployments().stop(name)
    deployments().stop(name)
    assert deployments().look(name) is None
    assert (server.endpoints, server.configs) == ({}, {})


def _of_rented(server: SageMakerState) -> dict[tuple[str, str], float]:
    return {key: 0.0 for key in server.tokens if key[0].startswith("harness-")}


def test_a_run_rents_for_each_cell_and_answers_as_one_that_runs(ran: Runs, server: SageMakerState) -> None:
    report = ran(strategies=["base", "rag:retriever=bm25"], models=[f"sagemaker:{model}" for model in (CHAT, RENTED)])
    rows = {row["arm"]: row["measurements"] for row in report["table"]}
    assert len(rows) == 4
    same = [rows[f"base@sagemaker:{model}"]["accuracy"]["value"] for model in (CHAT, RENTED)]
    assert same[0] == same[1]
    assert all(rows[f"{arm}@sagemaker:{RENTED}"]["usd_per_1k"]["value"] > 0 for arm in ("base", "rag:retriever=bm25"))
    assert (server.endpoints, server.configs, server.created) == ({}, {}, 2)
    hours = sum(found.billed[HOSTING] for found in ran.ledgers()) / 3600
    free = {key: 0.0 for key in server.tokens if key[0].startswith("harness-")}
    charged = hours * SAGEMAKER.hour_usd + server.usd({**SAGEMAKER.rates, **free})
    assert charged <= ran.spent_usd() + 1e-12
    told = "; ".join(notice for each in report["run"]["leaving"] for notice in each["notices"])
    assert "endpoint chatty is charged by the hour as long as it exists" in told
    assert "rented for each cell that asks model/llama@ml.g5.xlarge" in told


def test_a_run_killed_anywhere_rents_once_and_leaves_nothing(ran: Runs, server: SageMakerState) -> None:
    """Killed as the endpoint starts, and as it answers: the same command takes it up, and removes it."""
    server.polls = 10**6
    for begun in (lambda: server.endpoints and server.looks, lambda: server.calls):
        process = Command(*ran.command("base", RENTED))
        while process.poll() is None and not begun():
            time.sleep(0.002)
        process.kill()
        process.wait()
        server.polls, server.pause_s = 0, 0.2
    assert (server.created, len(server.endpoints)) == (1, 1)
    server.pause_s = 0.0
    report = ran(models=[f"sagemaker:{RENTED}"])
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    assert (server.created, server.endpoints, server.configs) == (1, {}, {})
    (found,) = ran.ledgers()
    assert found.calls == len(found.answers), "no answer was paid for twice"
    assert found.doubt_usd == 0, "its time is settled, and what was asked again costs nothing but time"


def test_orphans_are_what_no_cell_claims(server: SageMakerState, rented: Rented, tmp_path: Path) -> None:
    session = rented(file="elsewhere.jsonl")
    (name,) = server.endpoints
    server.configs["harness-halfway-0123abcd"] = {**server.configs[name], "EndpointConfigName": "x"}
    server.running, server.page = (), 1
    registry, store = load_registry(), tmp_path / "store"
    rows = {row["label"]: row for row in labelled(registry, store)}
    assert set(rows) == {name, "harness-halfway-0123abcd"}
    assert all(row["left"] and row["backend"] == "sagemaker" for row in rows.values())
    assert rows[name]["state"] == "InService"
    assert "costs nothing" in rows["harness-halfway-0123abcd"]["state"]
    for label in rows:
        cancel(registry, label, store)
    assert session._hosting._deployments.look(name).told == "Deleting"
    assert session._hosting._deployments.look(name) is None
    assert (server.endpoints, server.configs) == ({}, {})
    assert labelled(registry, store) == []
