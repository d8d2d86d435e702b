"""What is peculiar to backend `openai`; and, once for all services, a command killed in processes of its own."""

from __future__ import annotations

import subprocess
import sys
import time
from typing import Any

import pytest

from harness.orphans import labelled
from harness.registry import load_registry
from harness.remote.paying import CONCURRENCY
from tests.plugins.conftest import Opened, Runs
from tests.support.openai_server import Api, State
from tests.support.services import OPENAI, Service, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]


@pytest.fixture(scope="module")
def service() -> Service:
    return OPENAI


def test_an_answer_that_cannot_be_read_is_chance_and_told(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Api.chat

    def mumbles(self: Api, body: dict[str, Any]) -> dict[str, Any]:
        found = real(self, body)
        found["choices"][0]["message"]["content"] = "I would rather not say."
        return found

    monkeypatch.setattr(Api, "chat", mumbles)
    session = opened()
    first, again = session.answer(questions(8)), session.answer(questions(8)[::-1])
    assert first.chosen == again.chosen[::-1]
    assert len(set(first.chosen)) > 1, "not always the first choice"
    assert session.told()["service"]["notes"] == ["8 of 8 answers could not be read: chosen by chance"]


@pytest.mark.parametrize(("written", "asked"), [("", 2), ("well, let me see: one", 1)])
def test_only_a_model_that_thinks_is_given_more_room(
    server: State, opened: Opened, monkeypatch: pytest.MonkeyPatch, written: str, asked: int
) -> None:
    """What writes until it is cut off would write on, at 64 times the price."""
    real = Api.chat

    def cut(self: Api, body: dict[str, Any]) -> dict[str, Any]:
        found = real(self, body)
        if body["max_completion_tokens"] < 100:
            found["choices"][0]["finish_reason"] = "length"
            found["choices"][0]["message"]["content"] = written
        return found

    monkeypatch.setattr(Api, "chat", cut)
    session = opened()
    session.answer(questions(3))
    assert server.calls.total() == 3 * asked
    assert bool(session.told()["service"]["notes"]) == (asked == 1)


def test_a_command_killed_with_all_its_processes_pays_for_nothing_again(ran: Runs, server: State) -> None:
    """As a user starts it: nothing is imported before, and nothing of it outlives the kill."""
    server.pause_s = 0.05
    process = subprocess.Popen([sys.executable, "-m", "harness", *ran.command("base")], stderr=subprocess.DEVNULL)
    while process.poll() is None and server.calls.total() < 10:
        time.sleep(0.005)
    assert process.poll() is None
    process.kill()
    process.wait()
    server.pause_s = 0.0
    assert [cell["status"] for cell in ran()["cells"]] == ["done"]
    (found,) = ran.ledgers()
    assert found.calls == len(found.answers), "no answer was paid for twice"
    assert server.calls.total() - found.calls <= sum(found.open.values()) <= CONCURRENCY


def test_a_job_without_our_label_is_nobodys(server: State, ran: Runs) -> None:
    api = Api(server)
    file = api.upload("x.jsonl", b"{}\n")["id"]
    api.create_job({"model": "m", "training_file": file, "metadata": {"harness": "harness-of-another-store"}})
    api.create_job({"model": "m", "training_file": file, "metadata": None})
    (row,) = labelled(load_registry(), ran.store)
    assert (row["label"], row["state"]) == ("harness-of-another-store", "validating_files")
