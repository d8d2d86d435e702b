"""What backend `openai` sends and our stand-in answers, checked by Prism over OpenAI's contract."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest

from harness.plugin import Kind
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.purse import Purse
from harness_openai.backend import load
from harness_openai.capabilities import describe
from tests.support.openai_server import State, serving
from tests.support.prism import START_S, prism
from tests.support.services import material, questions

pytestmark = [pytest.mark.remote, pytest.mark.slow]

CONTRACT = "openapi.finetune-subset.json"
RATES = dict.fromkeys(("input tokens", "output tokens", "embedding tokens", "training tokens"), 1.0)


def lived(folder: Path) -> None:
    """Everything that the backend ever sends: answers, vectors, a training from its file to its model."""
    rates = RATES
    for model in ("gpt-4o-mini", "text-embedding-3-small"):
        purse = Purse(folder / f"{model}.jsonl", rates, 1.0)
        session = load().open(describe(model), kind=Kind.CHOICE, labels=(), seed=0, purse=purse)
        if "embedding" in model:
            assert session.embed(["one text", "another"]).shape[0] == 2
        else:
            session.answer(questions(3))
            recipe = HostedRecipe(2, 4, 0.5, 7)
            until = time.monotonic() + START_S
            while isinstance(found := session.tune(material(), material(3), recipe, lambda epoch: None), Pending):
                assert time.monotonic() < until, found.handle
                time.sleep(0.05)
            session.answer(questions(3))
        session.close()


def sees_a_violation(proxy: str) -> None:
    """Else its silence would say nothing."""
    headers = {"authorization": "Bearer x"}
    body = {"model": "gpt-4o-mini", "training_file": "f", "method": {"type": "none"}}
    assert httpx2.post(f"{proxy}/fine_tuning/jobs", json=body, headers=headers).status_code == 422
    assert httpx2.post(f"{proxy}/fine_tuning/jobs", json=body).status_code == 401


def test_a_whole_lifecycle_breaks_no_contract_in_either_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Prism as a proxy that turns every violation into an error."""
    log = tmp_path / "prism.log"
    with serving(State()) as (url, state), prism(log, "proxy", CONTRACT, url) as proxy:
        monkeypatch.setenv("OPENAI_BASE_URL", proxy)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-contract")
        lived(tmp_path)
        assert len(state.jobs) == 1
        assert {path for _, path in state.requests} >= {
            "/v1/chat/completions",
            "/v1/embeddings",
            "/v1/files",
            "/v1/fine_tuning/jobs",
        }
        assert "violation" not in log.read_text().lower(), log.read_text()[-4000:]
        sees_a_violation(proxy)


def test_requests_pass_the_contracts_own_mock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stateless: a job never ends there, so only that each request is understood is shown."""
    with prism(tmp_path / "log", "mock", CONTRACT) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-contract")
        purse = Purse(tmp_path / "cell.jsonl", RATES, 1.0)
        session = load().open(describe("gpt-4o-mini"), kind=Kind.CHOICE, labels=(), seed=0, purse=purse)
        assert len(session.answer(questions(1)).scores) == 1
        session.close()
