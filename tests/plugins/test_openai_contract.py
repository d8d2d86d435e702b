"""What backend `openai` sends and our stand-in answers, checked by an outside validator: Prism over OpenAI's contract.

`HARNESS_SPECS` names the folder with `openapi.finetune-subset.json`, `HARNESS_PRISM` the program if it is on no path.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from harness.plugin import Kind
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.purse import Purse
from harness_openai.backend import load
from harness_openai.capabilities import describe
from tests.conftest import REPOSITORY
from tests.support.openai_server import State, serving
from tests.support.served import material, questions

pytestmark = [pytest.mark.remote, pytest.mark.slow]

PRISM = os.environ.get("HARNESS_PRISM") or shutil.which("prism")
SPECS = Path(os.environ.get("HARNESS_SPECS", REPOSITORY.parent / "shared" / "specs"))
CONTRACT = SPECS / "openapi.finetune-subset.json"
RATES = dict.fromkeys(("input tokens", "output tokens", "embedding tokens", "training tokens"), 1.0)
START_S = 60


@contextmanager
def prism(log: Path, *arguments: str) -> Iterator[str]:
    """The URL of Prism; what it says goes to the log."""
    if PRISM is None:
        pytest.skip("no prism here: npm install @stoplight/prism-cli@5.14.2 and name it by HARNESS_PRISM")
    if not CONTRACT.is_file():
        pytest.skip("no contract here: HARNESS_SPECS names the folder with openapi.finetune-subset.json")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as out:
        command = [PRISM, *arguments, "--errors", "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        until = time.monotonic() + START_S
        while time.monotonic() < until and process.poll() is None and b"Prism is listening" not in log.read_bytes():
            time.sleep(0.1)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


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


def test_a_whole_lifecycle_breaks_no_contract_in_either_direction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through Prism as a proxy that turns every violation into an error."""
    log = tmp_path / "prism.log"
    with serving(State()) as (url, state), prism(log, "proxy", str(CONTRACT), url) as proxy:
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
    told = log.read_text().lower()
    assert "violation" not in told, log.read_text()[-4000:]


def test_the_guard_sees_a_violation(tmp_path: Path) -> None:
    """Else its silence would say nothing."""
    with serving(State()) as (url, _), prism(tmp_path / "log", "proxy", str(CONTRACT), url) as proxy:
        headers = {"authorization": "Bearer x"}
        body = {"model": "gpt-4o-mini", "training_file": "f", "method": {"type": "none"}}
        found = httpx2.post(f"{proxy}/fine_tuning/jobs", json=body, headers=headers)
        assert found.status_code == 422
        assert httpx2.post(f"{proxy}/fine_tuning/jobs", json=body).status_code == 401


def test_requests_pass_the_contracts_own_mock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stateless: a job never ends there, so only that each request is understood is shown."""
    with prism(tmp_path / "log", "mock", str(CONTRACT)) as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-contract")
        purse = Purse(tmp_path / "cell.jsonl", RATES, 1.0)
        session = load().open(describe("gpt-4o-mini"), kind=Kind.CHOICE, labels=(), seed=0, purse=purse)
        assert len(session.answer(questions(1)).scores) == 1
        session.close()
