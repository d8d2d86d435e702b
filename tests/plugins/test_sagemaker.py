"""What is peculiar to backend `sagemaker`: both forms of a request, and what an endpoint is."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError, ModelError, UsageError
from harness.plugin import Kind
from harness.remote.faults import BadRequest, Doubtful, Refused
from harness.remote.paying import CONCURRENCY
from harness.remote.purse import read_ledger
from harness_aws.sagemaker.capabilities import describe, offers, why_not
from tests.plugins.conftest import Opened, Runs
from tests.support.sagemaker_server import SageMaker, SageMakerState
from tests.support.services import SAGEMAKER, Service, questions
from tests.support.standin import Refusal

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

CHAT, EMBED, RENTED = SAGEMAKER.model, SAGEMAKER.embeds, SAGEMAKER.lived_model


@pytest.fixture(scope="module")
def service() -> Service:
    return SAGEMAKER


def ledger(tmp_path: Path, file: str = "cell.jsonl") -> Any:
    return read_ledger(tmp_path / file)


# -- answers -----------------------------------------------------------------------------------------------


def test_both_forms_answer_the_same_with_probabilities_and_figures(
    server: SageMakerState, opened: Opened, tmp_path: Path
) -> None:
    rows = {}
    for form in ("messages", "inputs"):
        server.speaks = form
        session = opened(file=f"{form}.jsonl")
        rows[form] = np.stack(session.answer(questions(6)).scores)
        assert np.exp(rows[form].astype(float)).sum(axis=1) == pytest.approx(1, abs=1e-4)
        told = session.told()
        assert "not_probabilities" not in told
        assert told["service"]["notes"] == []
    assert np.allclose(*rows.values())
    known = [ledger(tmp_path, f"{form}.jsonl").known_usd for form in rows]
    assert sum(known) == pytest.approx(SAGEMAKER.owes(server))


def test_the_form_is_found_out_once(server: SageMakerState, opened: Opened) -> None:
    server.speaks = "inputs"
    opened().answer(questions(40))
    assert len(server.requests) - 40 <= CONCURRENCY, "those that were under way when the first was refused"


def test_a_question_that_comes_back_is_no_answer(server: SageMakerState, opened: Opened) -> None:
    """It holds an example of an answer, which would be taken for one."""
    whole = opened(file="whole.jsonl").answer(questions(6)).chosen
    server.speaks, server.echoes = "inputs", True
    session = opened()
    assert session.answer(questions(6)).chosen == whole
    assert session.told()["service"]["notes"] == []


def test_one_question_too_long_is_chance_and_changes_nothing_for_others(
    opened: Opened, server: SageMakerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = SageMaker.invoke

    def refuses(self: SageMaker, name: str, body: dict[str, Any]) -> Any:
        if "wording 2" in str(body):
            told = "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 2048. Given: 5000"
            raise Refusal(422, told, "ModelError")
        return real(self, name, body)

    monkeypatch.setattr(SageMaker, "invoke", refuses)
    session = opened()
    session.answer(questions(4))
    assert session.told()["service"]["notes"] == ["1 of 4 answers could not be read: chosen by chance"]
    assert session.told()["service"]["answered_by"] == ["/opt/ml/model"], "still by messages"


def test_once_it_has_answered_a_refusal_is_no_sign_of_the_other_form(
    opened: Opened, server: SageMakerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened()
    session.answer(questions(1))

    def refuses(self: SageMaker, name: str, body: dict[str, Any]) -> Any:
        assert "messages" in body
        raise Refusal(400, "no", "ModelError")

    monkeypatch.setattr(SageMaker, "invoke", refuses)
    with pytest.raises(HarnessError, match=r"424 ModelError: Received client error \(400\)"):
        session.answer(questions(3))


def test_a_refusal_of_messages_that_comes_after_an_answer_to_a_text_still_says_that_it_speaks_texts() -> None:
    """Several are asked at once, and are refused one after the other."""
    from harness_aws.sagemaker.chat import SageMakerChat

    async def ask(body: Any) -> tuple[Any, None]:
        return [{"generated_text": '{"answer": "A"}'}], None

    chat, refusal = SageMakerChat(ask, contextlib.nullcontext, CHAT), BadRequest("no", "missing field `inputs`", "")
    texts = chat.fewer(chat.features, refusal)
    assert texts is not None
    (asked,) = questions(1)
    asyncio.run(chat.send(chat.body(asked, texts, 64), 4))
    assert chat.fewer(chat.features, refusal) == texts


def test_where_neither_form_is_understood_both_refusals_are_told(
    opened: Opened, server: SageMakerState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(self: SageMaker, name: str, body: dict[str, Any]) -> Any:
        raise Refusal(400, "no talk" if "messages" in body else "no text", "ModelError")

    monkeypatch.setattr(SageMaker, "invoke", refuses)
    with pytest.raises(HarnessError, match=r"no text.*and asked by messages: .*no talk"):
        opened().answer(questions(1))


def test_vectors_of_tokens_are_none_of_texts(
    server: SageMakerState, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SageMaker, "invoke", lambda *_: [[[1.0, 2.0], [3.0, 4.0]]])
    with pytest.raises(HarnessError, match="not one vector for each text"):
        opened(EMBED).embed(["one text"])


# -- faults ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("status", "told"), [(500, "ModelError"), (200, "cannot be read")])
def test_a_container_that_failed_at_work_may_be_charged(
    server: SageMakerState, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, told: str
) -> None:
    def fails(*_: Any) -> Any:
        if status == 500:
            raise Refusal(status, "CUDA out of memory", "ModelError")
        return {"error": "CUDA out of memory"}

    monkeypatch.setattr(SageMaker, "invoke", fails)
    with pytest.raises(Doubtful, match=told):
        opened().answer(questions(1))
    assert ledger(tmp_path).doubt_usd > 0


def test_a_busy_container_is_waited_for(
    server: SageMakerState, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, busy = SageMaker.invoke, [True] * 3

    def overloaded(self: SageMaker, name: str, body: dict[str, Any]) -> Any:
        if busy:
            busy.pop()
            raise Refusal(429, "Model is overloaded", "ModelError")
        return real(self, name, body)

    monkeypatch.setattr(SageMaker, "invoke", overloaded)
    opened().answer(questions(2))
    assert ledger(tmp_path).doubt_usd == 0


def test_an_endpoint_that_is_not_there_is_told(server: SageMakerState, opened: Opened) -> None:
    server.running = ()
    with pytest.raises(Refused, match=r"Endpoint chatty of account \d+ not found"):
        opened().answer(questions(1))


# -- where, and what for -----------------------------------------------------------------------------------


def test_places_are_the_regions_own_or_the_users(server: SageMakerState, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness_aws.places import MANAGING, place
    from harness_aws.sagemaker.capabilities import endpoint

    assert endpoint().emulated
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    assert endpoint().url == "https://runtime.sagemaker.us-east-1.amazonaws.com"
    assert place(MANAGING).url == "https://api.sagemaker.us-east-1.amazonaws.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL_SAGEMAKER", "http://127.0.0.1:5001")
    with pytest.raises(UsageError, match="sagemaker would be on this machine and the other services elsewhere"):
        endpoint()


@pytest.mark.parametrize(
    "model", ["a/b", "https://x.example", "model/a", "model/a@g5", "model/a@ml.g5", "-a", "", "a" * 64]
)
def test_what_is_no_endpoint_is_told(server: SageMakerState, model: str) -> None:
    with pytest.raises(ModelError, match="no endpoint of SageMaker"):
        describe(model)


def test_it_trains_nothing_and_says_why(server: SageMakerState) -> None:
    for model in (CHAT, RENTED):
        assert offers(describe(model)) == {f"{verb}:{kind}" for verb in ("answer", "read") for kind in Kind}
    assert offers(describe("model/bge-small@ml.m5.large")) == {"embed"}
    assert "trains nothing" in why_not(describe(CHAT), "tune:hosted:choice")


def test_an_unknown_price_is_not_0(ran: Runs, server: SageMakerState, tmp_path: Path) -> None:
    (tmp_path / "none.toml").write_text("")
    report = ran(models=[f"sagemaker:{CHAT}", f"sagemaker:{RENTED}"], prices=tmp_path / "none.toml")
    reasons = "; ".join(cell["reason"] for cell in report["cells"])
    assert "no price is known of 1M input tokens of chatty and 1M output tokens of chatty" in reasons
    assert "no price is known of an hour of ml.g5.xlarge" in reasons
    assert server.requests == []
