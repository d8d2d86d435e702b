"""What backend `vertex` sends and our stand-in answers, checked by Prism over Google's contract of `aiplatform` v1."""

from __future__ import annotations

import time
from pathlib import Path

import httpx2
import pytest

from harness.plugin import Kind
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.purse import Purse
from harness_vertex.backend import load
from harness_vertex.capabilities import describe
from tests.support.prism import START_S, prism
from tests.support.services import VERTEX, material, questions
from tests.support.vertex_server import State, serving

pytestmark = [pytest.mark.remote, pytest.mark.slow]

CONTRACT = "aiplatform.v1.prism.swagger.json"
RATES = dict.fromkeys(("input tokens", "output tokens", "embedding tokens", "training tokens"), 1.0)


def at(url: str, monkeypatch: pytest.MonkeyPatch, storage: str = "") -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    for name, value in {**VERTEX.environment(url), "VERTEX_STORAGE_URL": storage}.items():
        monkeypatch.setenv(name, value)


def lived(folder: Path) -> None:
    """Everything that the backend ever sends: answers, vectors, a training from its file to its model, a cancelling."""
    for model in ("gemini-x", "text-embedding-x", "gemini-embedding-x"):
        session = load().open(
            describe(model), kind=Kind.CHOICE, labels=(), seed=0, purse=Purse(folder / f"{model}.jsonl", RATES, 1.0)
        )
        if "embedding" in model:
            assert session.embed(["one text", "another"]).shape[0] == 2
        else:
            session.answer(questions(3))
            until = time.monotonic() + START_S
            recipe = HostedRecipe(2, None, 0.5, 7)
            while isinstance(found := session.tune(material(), material(3), recipe, lambda epoch: None), Pending):
                assert time.monotonic() < until, found.handle
                time.sleep(0.05)
            session.answer(questions(3))
        session.close()


def sees_a_violation(proxy: str) -> None:
    """Else its silence would say nothing."""
    spec = {"trainingDatasetUri": "gs://b/x", "hyperParameters": {"adapterSize": "ADAPTER_SIZE_HUGE"}}
    body = {"baseModel": "m", "supervisedTuningSpec": spec}
    assert httpx2.post(f"{proxy}/v1/projects/p/locations/l/tuningJobs", json=body).status_code == 422


def test_a_whole_lifecycle_breaks_no_contract_in_either_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Prism as a proxy that turns every violation into an error; Cloud Storage is not in the contract."""
    from harness_vertex.jobs import jobs

    log = tmp_path / "prism.log"
    with serving(State()) as (url, state), prism(log, "proxy", CONTRACT, url) as proxy:
        at(proxy, monkeypatch, storage=url)
        lived(tmp_path)
        (job,) = jobs().labelled("harness-")
        assert jobs().cancel(job.id).told == "succeeded"
        verbs = {path.rpartition("/")[2].rpartition(":")[2] for _, path in state.requests}
        assert verbs >= {"generateContent", "predict", "embedContent", "tuningJobs", "cancel"}
        assert "violation" not in log.read_text().lower(), log.read_text()[-4000:]
        sees_a_violation(proxy)


def test_requests_pass_the_contracts_own_mock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stateless: a job never ends there, so only that each request is understood is shown."""
    from harness_vertex.access import access
    from harness_vertex.capabilities import endpoint
    from harness_vertex.client import genai_client, synchronous

    with prism(tmp_path / "log", "mock", CONTRACT) as url:
        at(url, monkeypatch)
        session = load().open(
            describe("gemini-x"), kind=Kind.CHOICE, labels=(), seed=0, purse=Purse(tmp_path / "cell.jsonl", RATES, 1.0)
        )
        assert len(session.answer(questions(1)).scores) == 1
        session.close()
        with synchronous() as client:
            tunings = genai_client(endpoint(), access(endpoint()), None, client).tunings
            assert tunings.tune(base_model="gemini-x", training_dataset={"gcs_uri": "gs://b/x"}).name is not None
