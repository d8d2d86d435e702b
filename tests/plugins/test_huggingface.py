"""Backend `huggingface` against a stand-in on loopback: what it asks, what it pays, and what it makes of faults."""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import harness
from harness.errors import HarnessError, ModelError
from harness.plugin import BackendSpec
from harness.remote.endpoint import Endpoint
from harness.remote.purse import CapReached, Purse, read_ledger
from harness.testing import BackendKit
from harness_huggingface import harness_backends
from harness_huggingface.capabilities import OWN, describe, endpoint, offers, unready, why_not
from tests.support.huggingface_server import State, serving
from tests.support.served import CAP_USD, RATES, price_list, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

CANARY = "hf_canary5b1f0e"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    with serving(State(key=CANARY)) as (url, state):
        monkeypatch.setenv("HF_INFERENCE_ENDPOINT", url)
        monkeypatch.setenv("HF_TOKEN", CANARY)
        yield state


@pytest.fixture
def routed(server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in in the place of the router, whose address the SDK knows by heart."""
    from huggingface_hub.inference._providers import CONVERSATIONAL_AUTO_ROUTER

    from harness_huggingface import client, vectors

    url = endpoint().url
    monkeypatch.setattr(client, "OWN", url)
    monkeypatch.setattr(vectors, "OWN", url)
    monkeypatch.setattr(CONVERSATIONAL_AUTO_ROUTER, "base_url", url)


Opened = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path, server: State) -> Iterator[Opened]:
    sessions = []

    def opens(model: str = "m", file: str = "cell.jsonl", most_usd: float = CAP_USD) -> Any:
        from harness_huggingface.backend import load

        name = model.partition("/")[2] or model
        purse = Purse(tmp_path / file, {sort: usd for (item, sort), usd in RATES.items() if item == name}, most_usd)
        session = load().open(describe(model), kind="choice", labels=(), seed=0, purse=purse)
        sessions.append(session)
        return session

    yield opens
    for session in sessions:
        session.close()


def ledger(tmp_path: Path, file: str = "cell.jsonl") -> Any:
    return read_ledger(tmp_path / file)


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


def test_probabilities_are_those_that_the_service_tells(opened: Opened) -> None:
    session = opened()
    (row,) = session.answer(questions(1)).scores
    assert np.exp(row.astype(float)).sum() == pytest.approx(1, abs=1e-4)
    told = session.told()
    assert "not_probabilities" not in told
    assert told["service"]["answered_by"] == ["m-snapshot"]
    assert told["service"]["sdk"].startswith("huggingface_hub ")


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


@pytest.mark.parametrize("supports", [set(), {"schema"}, {"logprobs"}, {"schema", "logprobs"}])
def test_a_server_that_understands_less_answers_the_same(server: State, opened: Opened, supports: set[str]) -> None:
    whole = [int(row.argmax()) for row in opened(file="whole.jsonl").answer(questions(6)).scores]
    server.supports = frozenset(supports)
    session = opened()
    assert session.answer(questions(6)).chosen == whole
    assert ("not_probabilities" in session.told()) == ("logprobs" not in supports)


def test_without_figures_the_most_is_charged_and_told(server: State, opened: Opened, tmp_path: Path) -> None:
    server.tells_usage = False
    session = opened()
    session.answer(questions(2))
    assert ledger(tmp_path).known_usd > server.usd(RATES)
    (note,) = session.told()["service"]["notes"]
    assert note == "2 calls were charged at the most that they may cost: the service told no figures"


def test_vectors_are_of_unit_length_in_the_order_asked(server: State, opened: Opened, tmp_path: Path) -> None:
    session = opened("m-embed")
    texts = [f"text {number} of {'many ' * (number % 3)}words" for number in range(40)]
    together = session.embed(texts)
    assert together.shape == (40, 48)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.array_equal(session.embed(texts[::-1])[::-1], together)
    assert server.calls.total() == 2
    assert ledger(tmp_path).known_usd >= server.usd(RATES), "no figures are told of vectors"
    assert "2 calls were charged at the most" in session.told()["service"]["notes"][0]


def test_vectors_of_tokens_are_none_of_texts(server: State, opened: Opened) -> None:
    server.rows_of_tokens = True
    with pytest.raises(HarnessError, match="not one vector for each text"):
        opened("m-embed").embed(["one text", "another"])


# -- faults ------------------------------------------------------------------------------------------------

SURE = ("500", "429", "429-after", "slow")


@pytest.mark.parametrize("fault", [*SURE, "504", "drop-before", "drop-after", "truncated"])
def test_a_fault_is_outlived_and_accounted_for(server: State, opened: Opened, tmp_path: Path, fault: str) -> None:
    seen = random.Random(fault)
    server.faults = lambda method, path: fault if seen.random() < 0.4 else None
    answers = opened().answer(questions(15))
    server.faults = lambda method, path: None
    assert answers.chosen == opened(file="calm.jsonl").answer(questions(15)).chosen
    calm = ledger(tmp_path, "calm.jsonl").known_usd
    spent, found = server.usd(RATES) - calm, ledger(tmp_path)
    assert found.known_usd == pytest.approx(calm)
    assert found.known_usd - 1e-12 <= spent <= found.known_usd + found.doubt_usd + 1e-12
    assert (found.doubt_usd == 0) == (fault in SURE)


def test_a_used_up_balance_is_no_rate_limit(server: State, opened: Opened) -> None:
    from harness.remote.paying import CONCURRENCY

    server.faults = lambda method, path: "quota"
    with pytest.raises(HarnessError, match="quota or balance is used up"):
        opened().answer(questions(60))
    assert len(server.requests) <= CONCURRENCY, "no loop"


def test_it_follows_no_redirect(server: State, opened: Opened) -> None:
    server.faults = lambda method, path: "redirect"
    for model, ask in (("m", lambda s: s.answer(questions(1))), ("m-embed", lambda s: s.embed(["text"]))):
        with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
            ask(opened(model, file=f"{model}.jsonl"))
    assert len(server.requests) == 2


def test_json_that_is_no_completion_is_no_answer(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from tests.support.huggingface_server import Api

    monkeypatch.setattr(Api, "chat", lambda self, body: {"generated_text": "A"})
    with pytest.raises(HarnessError, match="no completion of a chat"):
        opened().answer(questions(1))
    assert not ledger(tmp_path).answers


def test_a_stand_in_is_not_sent_the_token_that_was_logged_in_with(
    server: State, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = tmp_path / "token"
    kept.write_text("hf_of_the_login")
    monkeypatch.setenv("HF_TOKEN_PATH", str(kept))
    monkeypatch.delenv("HF_TOKEN")
    server.key = "none"
    opened().answer(questions(1))


def test_a_wrong_token_is_told_without_the_token(
    server: State, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_other_canary")
    with pytest.raises(HarnessError, match=r"401 .*\[HF_TOKEN\]") as refused:
        opened().answer(questions(1))
    assert "canary" not in str(refused.value)
    assert b"canary" not in (tmp_path / "cell.jsonl").read_bytes()


def test_a_cap_stops_before_the_call_that_could_pass_it(server: State, opened: Opened) -> None:
    with pytest.raises(CapReached, match="--max-cost"):
        opened(most_usd=0.002).answer(questions(60))
    assert 0 < server.usd(RATES) <= 0.002


# -- whole runs --------------------------------------------------------------------------------------------


def test_a_run_is_one_table_with_money_and_says_that_it_is_emulated(server: State, tiny: Path, tmp_path: Path) -> None:
    report = harness.run(
        tiny,
        strategies=["base", "rag:retriever=bm25", "hosted", "probe"],
        backends=["huggingface"],
        models=["huggingface:m", "huggingface:m-embed"],
        prices=price_list(tmp_path),
        allow_spend=True,
        max_cost_usd=CAP_USD,
        store=tmp_path / "store",
    ).report
    rows = {row["arm"]: row for row in report["table"]}
    done = {"base@huggingface:m", "rag:retriever=bm25@huggingface:m", "probe@huggingface:m-embed"}
    for arm in done:
        assert any(note.startswith("emulated: answered by a stand-in at") for note in rows[arm]["notes"])
        assert rows[arm]["measurements"]["usd_per_1k"]["value"] > 0
    assert any("charged at the most" in note for note in rows["probe@huggingface:m-embed"]["notes"])
    skipped = {cell["reason"] for cell in report["cells"] if cell["status"] == "skipped"}
    assert any("train no models" in reason for reason in skipped)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert [file for file in files if CANARY.encode() in file.read_bytes()] == []


class TestHuggingFace(BackendKit):
    """What every backend must do."""

    spec: ClassVar[BackendSpec] = next(iter(harness_backends()))
    seeded = False

    @pytest.fixture(autouse=True)
    def _served(self, server: State, tmp_path: Path) -> None:
        type(self).run_options = {"prices": price_list(tmp_path), "allow_spend": True, "max_cost_usd": CAP_USD}

    @pytest.fixture(params=["m", "m-embed"])
    def model(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


def test_the_plugin_and_what_it_knows_without_asking_import_no_sdk() -> None:
    look = (
        "import sys, harness_huggingface; from harness_huggingface import capabilities; "
        "list(harness_huggingface.harness_backends()); capabilities.offers(capabilities.describe('m')); "
        "print([name for name in sys.modules if name.startswith(('huggingface_hub', 'httpx2'))])"
    )
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"
