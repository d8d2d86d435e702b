"""A cell's job as its worker is told it, by hand, and results of it that are sound until a test spoils them."""

from __future__ import annotations

import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from harness.codec import encode_answers, encode_documents, encode_rows
from harness.elsewhere.archive import packed
from harness.elsewhere.bundle import work
from harness.elsewhere.moved import run_elsewhere
from harness.elsewhere.result import FORMAT
from harness.errors import HarnessError
from harness.orphans import release
from harness.remote.orders import StillWaiting
from harness.remote.purse import read_ledger
from harness.remote.redaction import Redactor
from harness.store import Store, write_part
from harness.testing import fake_spec
from harness.types import Answers, Document, Question, Row, Text, Usage
from tests.support.killed import fate

GOLD, SECRET = 2, "a-group-that-stays"
SETTINGS = {
    "full.epochs": 1,
    "full.batch_size": 4,
    "full.warmup": 0.1,
    "full.weight_decay": 0.01,
    "full.patience": 2,
    "full.max_tokens": 64,
    "full.head_lr": 1e-3,
    "full.lr": 1e-4,
}
RATES = {"machine seconds": 1e6 * 0.36 / 3600}


def rows(prefix: str, count: int) -> list[Row]:
    choices = ("night", "morning", "noon")
    return [
        Row(
            Question(f"{prefix}{number}", (Text(f"{prefix}: when are owls number {number} active?"),), choices),
            GOLD if prefix == "test" else number % 3,
            f"{prefix}-{number}",
            {"gender": SECRET},
            ("owls",),
        )
        for number in range(count)
    ]


def moved_job(folder: Path, *, elsewhere: Mapping[str, Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Of `full` on the fake backend, in a store that holds what it reads."""
    Store(folder).close()

    def kept(name: str, count: int) -> dict[str, Any]:
        return {"parts": [write_part(folder, encode_rows(rows(name, count)))], "fingerprint": f"of-{name}"}

    card = asdict(fake_spec().describe("words"))
    return {
        "store": str(folder),
        "log": str(folder / "logs" / "cell.log"),
        "strategy": ["full"],
        "backend": "fake",
        "model": card,
        "seed": 0,
        "settings": SETTINGS,
        "trials": 0,
        "space": {},
        "held": [],
        "held_by": "",
        "kind": "choice",
        "labels": [],
        "sets": {"train": kept("train", 6), "validation": kept("validation", 3), "test": kept("test", 4)},
        "ask": ["test"],
        "documents": [write_part(folder, encode_documents([Document("owls", "owls are active at noon")]))],
        "assets": {},
        "weights": ["full"],
        "artifact": None,
        "recalled": {},
        "keep": None,
        "plugins": {"step full": "harness_tuning.tuning:Full", "backend fake": "harness.testing.fake:fake_backend"},
        "spending": {"file": str(folder / "paid" / "cell.jsonl"), "rates": RATES, "most_usd": 5.0},
        "secrets": [],
        "elsewhere": {
            "machines": "huggingface",
            "load": "harness_huggingface.machines:machines",
            "flavor": "cpu-basic",
            "device": "cpu",
            "gpu": None,
            "endpoint": "http://127.0.0.1:9",
            "emulated": True,
            "limit_s": 60.0,
            "most_s": 120.0,
            "extras": ["huggingface"],
            "preload": [],
            **(elsewhere or {}),
        },
        **changes,
    }


def answers(count: int = 4, choices: int = 3, score: float = 0.5) -> bytes:
    return encode_answers(Answers(tuple(np.full(choices, score, np.float32) for _ in range(count))))


def result_files(job: Mapping[str, Any], part: bytes | None = None, **about: Any) -> dict[str, bytes]:
    """Of a sound result; a test may change them before they are packed."""
    content = answers() if part is None else part
    name = hashlib.sha256(content).hexdigest()
    environment = {"python": "3.12.1", "gpus": [], "cores": 2, "versions": {"numpy": "2"}}
    messages = [
        {"phase": "adapt"},
        {"epoch": {"epoch": 1, "train_loss": 1.0, "validation_loss": None, "validation_accuracy": None}},
        {"log": {"latency_s": [0.1]}},
        {"answers": "test", "fingerprint": "of-test", "parts": [name], "n": 4},
        {
            "end": "done",
            "reason": None,
            "usage": {"adapt": asdict(Usage(wall_s=2.0)), "total": asdict(Usage(wall_s=2.0))},
        },
    ]
    told = {"format": FORMAT, "work": work(job), "environment": environment, **about}
    return {
        "about.json": json.dumps(told).encode(),
        "messages.jsonl": lines(messages),
        "log.txt": b"all went well\n",
        f"parts/{name}.arrow": content,
    }


def lines(messages: list[Any]) -> bytes:
    return b"".join(json.dumps(message).encode() + b"\n" for message in messages)


def packed_result(files: Mapping[str, bytes]) -> bytes:
    return packed(files.items())


# -- one cell's processes, killed at random ----------------------------------------------------------------


def attempt(job: dict[str, Any], kill_after_s: float | None) -> str:
    """One process that orders, looks, or takes the result: what became of it."""
    ends = {0: "done", 1: "failed", 2: "look", 3: "waits", 4: "again"}
    return fate(lambda: _work(job), kill_after_s, ends)


class _Told:
    """A channel that tells nobody."""

    redact = Redactor()

    def tell(self, **message: Any) -> None:
        json.dumps(message, allow_nan=False)


def _work(job: dict[str, Any]) -> int:
    import harness.remote.faults
    from harness.remote import hosted

    time.sleep = lambda _: None  # the SDKs wait between what they ask again
    harness.remote.faults.RETRY_S = 0.01
    hosted.DOUBT_S = 0.5
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        assert run_elsewhere(job, _Told())["end"] == "done"  # type: ignore[arg-type]
        return 0
    except StillWaiting:
        return 3
    except HarnessError as error:
        text = str(error)
        if "harness remote release" in text:
            return 2
        return 1 if "--fresh" in text else 4


MOST_ATTEMPTS = 80


def lived(job: dict[str, Any], draw: random.Random, labels: Callable[[], set[str]]) -> str:
    """Processes one after another, some of them killed, to the cell's end; `labels`: of all jobs of the service."""
    killed, outcome = draw.choice((0, 0.5)), "waits"
    for _ in range(MOST_ATTEMPTS):
        outcome = attempt(job, draw.uniform(0, 0.3) if draw.random() < killed else None)
        if outcome == "look":
            order = read_ledger(Path(job["spending"]["file"])).order
            assert order is not None
            assert order["label"] not in labels(), "it did not find a job that is there"
            release(Path(job["store"]), str(order["label"]))
        if outcome in ("done", "failed"):
            break
    return outcome
