"""What every backend that asks a service promises, each against a stand-in on loopback: answers, faults, money."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.plugin import Passage, Question, Text
from harness.remote.paying import CONCURRENCY
from harness.remote.purse import CapReached, read_ledger
from tests.plugins.conftest import Opened, look, of_some, trained
from tests.support.services import SERVICES, Service, material, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]


def ledger(tmp_path: Path, file: str = "cell.jsonl") -> Any:
    return read_ledger(tmp_path / file)


LOGIN = "/token"


def asked(server: Any) -> list[str]:
    """Paths of all requests but those of a login."""
    return [path for _, path in server.requests if not path.endswith(LOGIN)]


# -- answers -----------------------------------------------------------------------------------------------


def test_probabilities_are_those_that_the_service_tells(service: Service, opened: Opened) -> None:
    session = opened()
    (row,) = session.answer(questions(1)).scores
    assert ("not_probabilities" not in session.told()) == service.probable
    assert np.exp(row.astype(float)).sum() == pytest.approx(1, abs=1e-4) or not service.probable


def test_one_that_understands_less_answers_the_same(service: Service, server: Any, opened: Opened) -> None:
    whole = opened(file="whole.jsonl").answer(questions(6)).chosen
    assert len(set(whole)) > 1
    for number, (changes, probable) in enumerate(service.lesser):
        for name, value in changes.items():
            setattr(server, name, value)
        session = opened(file=f"{number}.jsonl")
        assert session.answer(questions(6)).chosen == whole, changes
        told = session.told()
        assert ("not_probabilities" not in told) == probable, changes
        assert not any("could not be read" in note for note in told["service"]["notes"]), changes


def test_many_choices_are_numbered(opened: Opened) -> None:
    labels = tuple(f"label {number}" for number in range(40))
    asked = Question("q", (Text("which?"),), labels, (Passage("d", "of label 33 it is 33"),), 1.0)
    (row,) = opened().answer([asked]).scores
    assert row.shape == (40,)
    assert np.isfinite(row).all()


def test_passages_are_read_and_named(opened: Opened) -> None:
    asked = [
        replace(question, passages=(Passage("d1", "it is noon they say noon"),), reading=1.0)
        for question in questions(3)
    ]
    answers = opened().answer(asked)
    assert answers.chosen == [3, 3, 3]
    assert list(answers.passages) == [("d1",)] * 3


def test_order_and_company_change_nothing_and_cost_nothing_again(server: Any, opened: Opened) -> None:
    session, asked = opened(), questions(12)
    together = session.answer(asked).scores
    backwards = session.answer(asked[::-1]).scores[::-1]
    alone = [session.answer([question]).scores[0] for question in asked]
    for other in (backwards, alone):
        assert all(np.array_equal(a, b) for a, b in zip(together, other, strict=True))
    assert server.calls.total() == 12
    session.answer([replace(questions(13)[12], id=str(number)) for number in range(5)])
    assert server.calls.total() == 13, "equal questions are asked once"


def test_only_a_few_are_asked_at_once(server: Any, opened: Opened) -> None:
    server.pause_s = 0.02
    opened().answer(questions(40))
    assert 2 <= server.busiest <= CONCURRENCY


def test_usage_is_the_services_own_and_who_answered_is_told(
    service: Service, server: Any, opened: Opened, tmp_path: Path
) -> None:
    session = opened()
    session.answer(questions(7))
    used, told = session.usage(), session.told()["service"]
    assert used.billed == {sort: server.tokens[service.model, sort] for sort in ("input tokens", "output tokens")}
    assert used.tokens == sum(used.billed.values())
    assert told["answered_by"] == ([service.answered_by] if service.answered_by else [])
    assert told["sdk"].startswith(f"{service.sdk} ")
    assert (len(told["requests"]), told["calls"]) == (2 if service.numbered else 0, 7)
    session.forget()
    session.answer(questions(7))
    again = session.usage()
    assert again.billed == used.billed, "as if it had been asked cold"
    assert (again.wall_s or 0) > 0, "and as slowly"
    found = ledger(tmp_path)
    assert dict(found.billed) == used.billed, "though it was paid for once"
    assert found.known_usd == pytest.approx(service.owes(server))


def test_without_figures_the_most_is_charged_and_told(
    service: Service, server: Any, opened: Opened, tmp_path: Path
) -> None:
    server.tells_usage = False
    session = opened()
    session.answer(questions(2))
    assert ledger(tmp_path).known_usd > service.owes(server)
    (note,) = session.told()["service"]["notes"]
    assert note == "2 calls were charged at the most that they may cost: the service told no figures"


def test_vectors_are_of_unit_length_in_the_order_asked(
    service: Service, server: Any, opened: Opened, tmp_path: Path
) -> None:
    texts = [f"text {number} of {'many ' * (number % 3)}words" for number in range(70)]
    for model, requests in service.vectors:
        session, before = opened(model, file=f"{requests}.jsonl"), server.calls.total()
        together = session.embed(texts)
        assert (together.shape, together.dtype) == ((70, 48), np.float32)
        assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
        assert np.array_equal(session.embed(texts[::-1])[::-1], together)
        assert np.array_equal(session.embed(texts[3:4])[0], together[3])
        assert server.calls.total() - before == requests
        counted = {"embedding tokens": server.tokens[model, "embedding tokens"]}
        if service.counted:
            assert session.usage().billed == counted
            continue
        assert ledger(tmp_path, f"{requests}.jsonl").billed["embedding tokens"] > counted["embedding tokens"]
        assert f"{requests} calls were charged at the most" in session.told()["service"]["notes"][0]


# -- faults ------------------------------------------------------------------------------------------------

SURE = ("500", "429", "429-after", "slow")
DOUBTFUL = ("drop-before", "drop-after", "truncated")


def test_faults_are_outlived_and_accounted_for(service: Service, server: Any, opened: Opened, tmp_path: Path) -> None:
    calm = opened(file="calm.jsonl").answer(questions(15)).chosen
    owed = ledger(tmp_path, "calm.jsonl").known_usd
    for fault in (*SURE, *DOUBTFUL):
        seen, before = random.Random(fault), service.owes(server)
        server.faults = lambda method, path, fault=fault, seen=seen: fault if seen.random() < 0.4 else None
        assert opened(file=f"{fault}.jsonl").answer(questions(15)).chosen == calm, fault
        spent, found = service.owes(server) - before, ledger(tmp_path, f"{fault}.jsonl")
        assert found.known_usd == pytest.approx(owed), fault
        assert found.known_usd - 1e-12 <= spent <= found.known_usd + found.doubt_usd + 1e-12, fault
        assert (found.doubt_usd == 0) == (fault in SURE), fault


def test_faults_of_vectors_are_outlived_too(service: Service, server: Any, opened: Opened, tmp_path: Path) -> None:
    for model, _ in service.vectors:
        calm = opened(model, "calm.jsonl").embed(["owls", "bats"]).tolist()
        for fault in (*SURE, *DOUBTFUL):
            faults, before = [fault] * 2, service.owes(server)
            server.faults = lambda method, path, faults=faults: faults.pop() if faults else None
            file = f"{model}-{fault}.jsonl"
            assert opened(model, file).embed(["owls", "bats"]).tolist() == calm, fault
            spent, found = service.owes(server) - before, ledger(tmp_path, file)
            assert spent <= found.known_usd + found.doubt_usd + 1e-12, fault
            assert found.doubt_usd == 0 or fault in DOUBTFUL


def test_what_the_service_asks_to_wait_is_waited(server: Any, opened: Opened) -> None:
    faults = ["429-after"] * 3
    server.faults = lambda method, path: None if path.endswith(LOGIN) or not faults else faults.pop()
    session, began = opened(), time.monotonic()
    session.answer(questions(1))
    assert time.monotonic() - began >= 3 * 0.05
    assert len(asked(server)) == 4


def test_a_used_up_quota_is_no_rate_limit_and_what_came_before_is_kept(
    service: Service, server: Any, opened: Opened, tmp_path: Path
) -> None:
    server.faults = lambda method, path: "quota" if len(asked(server)) > 20 else None
    with pytest.raises(HarnessError, match=service.quota):
        opened().answer(questions(60))
    assert len(asked(server)) <= 20 + CONCURRENCY, "no loop"
    kept = ledger(tmp_path).calls
    assert 0 < kept == server.calls.total() <= 20
    server.faults = lambda method, path: None
    opened().answer(questions(60))
    assert server.calls.total() == 60
    assert max(server.calls.values()) == 1, "nothing is paid for twice"


def test_no_redirect_is_followed(service: Service, server: Any, opened: Opened) -> None:
    sessions = [opened(), *(opened(model, file=f"{requests}.jsonl") for model, requests in service.vectors)]
    server.faults = lambda method, path: None if path.endswith(LOGIN) else "redirect"
    for number, session in enumerate(sessions):
        with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
            session.embed(["text"]) if number else session.answer(questions(1))
    assert len(asked(server)) == len(sessions)


@of_some(lambda service: service.wrong is not None)
def test_a_wrong_key_is_told_without_the_key(
    service: Service, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert service.wrong is not None
    monkeypatch.setenv(service.wrong.variable, service.wrong.value)
    with pytest.raises(HarnessError, match=service.wrong.told) as refused:
        opened().answer(questions(1))
    assert "canary" not in str(refused.value)
    assert b"canary" not in (tmp_path / "cell.jsonl").read_bytes()


def test_a_cap_stops_before_the_call_that_could_pass_it(service: Service, server: Any, opened: Opened) -> None:
    with pytest.raises(CapReached, match="--max-cost"):
        opened(most_usd=0.002).answer(questions(60))
    assert 0 < service.owes(server) <= 0.002


# -- training ----------------------------------------------------------------------------------------------

TRAINING = of_some(lambda service: service.trains)


@TRAINING
def test_what_was_trained_answers_and_is_paid_for_once(server: Any, opened: Opened, tmp_path: Path) -> None:
    session = trained(opened)
    assert session.answer([example.question for example in material()]).chosen == [n % 4 for n in range(12)]
    session.close()
    calls, known = server.calls.total(), ledger(tmp_path).billed["training tokens"]
    again = trained(opened)
    again.answer([example.question for example in material()])
    assert (len(server.jobs), server.calls.total()) == (1, calls)
    assert ledger(tmp_path).billed["training tokens"] == known > 0


@TRAINING
def test_a_job_that_fails_tells_why_and_is_not_ordered_again(service: Service, server: Any, opened: Opened) -> None:
    assert service.fates is not None
    for number, (fate, told) in enumerate(service.fates.items()):
        server.fate = lambda job, fate=fate: fate
        for _ in range(2):
            with pytest.raises(HarnessError, match=told):
                trained(opened, file=f"{fate}.jsonl")
        assert len(server.jobs) == number + 1


@TRAINING
def test_a_state_that_nobody_knows_is_waited_for(server: Any, opened: Opened) -> None:
    server.fate, server.polls = (lambda job: "strange"), 10
    session = opened(trains=True)
    told = [look(session).handle for _ in range(4)]
    assert "updat" in told[-1].lower()


@TRAINING
@pytest.mark.parametrize("fault", ["drop-after", "truncated"])
def test_a_job_whose_answer_was_lost_is_adopted(service: Service, server: Any, opened: Opened, fault: str) -> None:
    faults = [fault]
    server.faults = lambda method, path: (
        faults.pop() if faults and method == "POST" and path.endswith(service.ordering) else None
    )
    trained(opened)
    assert not faults
    assert len(server.jobs) == 1
    ordered = [path for method, path in server.requests if method == "POST" and path.endswith(service.ordering)]
    assert len(ordered) == 1


def test_no_plugin_imports_an_sdk_for_what_is_known_without_asking() -> None:
    """All in one process."""
    surroundings = {name: value for each in SERVICES for name, value in each.environment("http://127.0.0.1:9").items()}
    look = f"""
import importlib, os, sys
os.environ.update({surroundings})
for plugin in {sorted({each.plugin.partition(".")[0] for each in SERVICES})}:
    for spec in importlib.import_module(plugin).harness_backends():
        card, where = spec.describe("a-b"), spec.service.endpoint()
        spec.offers(card), spec.why_not(card, "tune:hosted:choice"), spec.service.why_not(where)
        spec.service.notices(card, where, True, __import__("datetime").date(2026, 11, 26))
sdks = ("openai", "azure.", "msal", "google.genai", "google.auth", "boto", "s3transfer", "huggingface_hub", "httpx")
print([name for name in sys.modules if name.startswith(sdks)])
"""
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"
