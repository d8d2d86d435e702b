"""Backend `openai` and real models: `transformers serve` on a tiny checkpoint, and MiniLM behind the embeddings API."""

from __future__ import annotations

import importlib.util
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.plugin import Kind
from harness.remote.purse import Purse, read_ledger
from harness_openai.backend import load
from harness_openai.capabilities import describe
from tests.support import checkpoints
from tests.support.openai_server import Api, State, serving
from tests.support.services import price_list, questions

pytestmark = [pytest.mark.remote, pytest.mark.slow]

RATES = dict.fromkeys(("input tokens", "output tokens", "embedding tokens"), 1.0)
START_S = 90


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL of `transformers serve`, and the model's name there."""
    missing = [name for name in ("fastapi", "uvicorn") if importlib.util.find_spec(name) is None]
    if missing:
        pytest.skip(f"transformers serve needs {', '.join(missing)}: pip install 'transformers[serving]'")
    folder = tmp_path_factory.mktemp("tiny")
    checkpoints.causal(folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = "import sys; from transformers.cli.transformers import main; sys.argv[0] = 'transformers'; main()"
    program = [sys.executable, "-c", command, "serve", str(folder), "--host", "127.0.0.1"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [*program, "--port", str(port), "--device", "cpu"],
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
            stdout=log,
            stderr=log,
        )
    url = f"http://127.0.0.1:{port}/v1"
    try:
        until = time.monotonic() + START_S
        while b"Application startup complete" not in (folder / "log").read_bytes():
            assert process.poll() is None and time.monotonic() < until, (folder / "log").read_text()  # noqa: PT018
            time.sleep(0.2)
        yield url, str(folder)
    finally:
        process.terminate()
        process.wait()


def test_a_real_server_answers_and_counts(
    served: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Random weights: that there are answers, real tokens and honest notes, not that they are right."""
    url, model = served
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    session = load().open(
        describe(model), kind=Kind.CHOICE, labels=(), seed=0, purse=Purse(tmp_path / "cell.jsonl", RATES, 1.0)
    )
    asked = questions(4)
    answers = session.answer(asked)
    again = session.answer(asked[::-1])
    assert all(np.array_equal(a, b) for a, b in zip(answers.scores, again.scores[::-1], strict=True))
    used, told = session.usage(), session.told()
    assert used.billed == dict(read_ledger(tmp_path / "cell.jsonl").billed)
    assert used.billed["input tokens"] > 4 * 10
    assert told["service"]["notes"] == ["4 of 4 answers could not be read: chosen by chance"]
    session.close()


@pytest.fixture
def minilm(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    """The stand-in with real vectors."""
    from sentence_transformers import SentenceTransformer

    from harness.models import describe as local

    model = SentenceTransformer(local("all-MiniLM-L6-v2").location, device="cpu")
    model.max_seq_length = 256

    def embeddings(self: Api, body: dict[str, Any]) -> dict[str, Any]:
        vectors = model.encode(body["input"], normalize_embeddings=True)
        used = sum(len(ids) for ids in model.tokenizer(body["input"])["input_ids"])
        self.state.tokens[body["model"], "embedding tokens"] += used
        data = [{"object": "embedding", "index": index, "embedding": row.tolist()} for index, row in enumerate(vectors)]
        usage = {"prompt_tokens": used, "total_tokens": used}
        return {"object": "list", "data": data, "model": body["model"], "usage": usage}

    monkeypatch.setattr(Api, "embeddings", embeddings)
    with serving() as (url, state):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        yield state


@pytest.mark.torch
def test_a_probe_on_served_vectors_is_the_probe_on_the_same_model_here(
    minilm: State, tiny: Path, tmp_path: Path
) -> None:
    prices = tmp_path / "prices.toml"
    prices.write_text(price_list(tmp_path).read_text().replace('"m-embed"', '"all-MiniLM-L6-v2"'))
    report = harness.run(
        tiny,
        strategies=["probe"],
        backends=["torch", "openai"],
        models=["openai:all-MiniLM-L6-v2"],
        prices=prices,
        allow_spend=True,
        max_cost_usd=1.0,
        store=tmp_path / "store",
    ).report
    here, there = sorted(report["table"], key=lambda row: row["backend"], reverse=True)
    assert (here["backend"], there["backend"]) == ("torch", "openai")
    for name in ("test", "unseen_facts"):
        found = [row["measurements"] if name == "test" else row["tests"][name] for row in (here, there)]
        assert found[0]["accuracy"]["value"] == found[1]["accuracy"]["value"]
    assert there["measurements"]["usd_per_1k"]["value"] > 0
    assert sum(minilm.tokens.values()) > 0


def test_the_server_is_really_there(served: tuple[str, str]) -> None:
    """Else the notes above would be of a server that answers nothing."""
    body = b'{"model": "%s", "messages": [{"role": "user", "content": "owls"}], "max_tokens": 4}' % served[1].encode()
    request = urllib.request.Request(
        f"{served[0]}/chat/completions", body, {"content-type": "application/json"}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=60) as found:
        assert b'"completion_tokens"' in found.read()
