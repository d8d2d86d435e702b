"""What is peculiar to backend `huggingface`: the router and a server, whose forms differ, and which token is sent."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import HarnessError, ModelError
from harness.remote.endpoint import Endpoint
from harness.remote.purse import read_ledger
from harness_huggingface.capabilities import OWN, describe, endpoint, offers, unready, why_not
from tests.plugins.conftest import Opened
from tests.support.huggingface_server import Api, State
from tests.support.services import HUGGINGFACE, Service, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]


@pytest.fixture(scope="module")
def service() -> Service:
    return HUGGINGFACE


@pytest.fixture
def routed(server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in in the place of the router, whose address the SDK knows by heart."""
    from huggingface_hub.inference._providers import CONVERSATIONAL_AUTO_ROUTER

    from harness_huggingface import client, vectors

    url = endpoint().url
    monkeypatch.setattr(client, "OWN", url)
    monkeypatch.setattr(vectors, "OWN", url)
    monkeypatch.setattr(CONVERSATIONAL_AUTO_ROUTER, "base_url", url)


# -- what is known without asking --------------------------------------------------------------------------


def test_what_is_missing_is_told(server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    router = Endpoint(OWN, "router.huggingface.co")
    assert unready(router) is None
    monkeypatch.setenv("HF_TOKEN", "sk-of-somebody-else")
    assert unready(router) == "HF_TOKEN holds no token of Hugging Face"
    monkeypatch.delenv("HF_TOKEN")
    assert unready(router) == "HF_TOKEN is not set"
    assert unready(endpoint()) is None


def test_it_trains_nothing_and_says_why(server: State) -> None:
    card = describe("org/m")
    assert not any(capability.startswith("tune:") for capability in offers(card))
    assert "train no models" in why_not(card, "tune:hosted:choice")


@pytest.mark.parametrize("model", ["https://elsewhere.example/v1", "org/../x", "a/b/c", "m?x", "", " "])
def test_a_model_is_no_address(server: State, model: str) -> None:
    with pytest.raises(ModelError):
        describe(model)


# -- answers -----------------------------------------------------------------------------------------------


def test_the_router_and_a_server_are_each_asked_in_their_own_form(
    server: State, opened: Opened, request: pytest.FixtureRequest
) -> None:
    opened().answer(questions(2))
    assert server.forms == {"json_object"}
    request.getfixturevalue("routed")
    opened("org/m:provider", file="routed.jsonl")
    session = opened("m", file="again.jsonl")
    session.answer(questions(3))
    assert server.forms == {"json_object", "json_schema"}
    session = opened("org/m-embed")
    assert session.embed(["one text", "another"]).shape == (2, 48)
    assert server.requests[-1] == ("POST", "/hf-inference/models/org/m-embed/pipeline/feature-extraction")


def test_vectors_of_tokens_are_none_of_texts(server: State, opened: Opened) -> None:
    server.rows_of_tokens = True
    with pytest.raises(HarnessError, match="not one vector for each text"):
        opened("m-embed").embed(["one text", "another"])


# -- faults ------------------------------------------------------------------------------------------------


def test_json_that_is_no_completion_is_no_answer(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Api, "chat", lambda self, body: {"generated_text": "A"})
    with pytest.raises(HarnessError, match="no completion of a chat"):
        opened().answer(questions(1))
    assert not read_ledger(tmp_path / "cell.jsonl").answers


def test_a_stand_in_is_not_sent_the_token_that_was_logged_in_with(
    server: State, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "token"
    kept.write_text("hf_of_the_login")
    monkeypatch.setenv("HF_TOKEN_PATH", str(kept))
    monkeypatch.delenv("HF_TOKEN")
    server.key = "none"
    opened().answer(questions(1))


# -- whole runs --------------------------------------------------------------------------------------------


def test_a_gateways_timeout_is_a_doubt(server: State, opened: Opened, tmp_path: Path) -> None:
    faults = ["504"] * 3
    server.faults = lambda method, path: faults.pop() if faults else None
    opened().answer(questions(2))
    assert read_ledger(tmp_path / "cell.jsonl").doubt_usd > 0
