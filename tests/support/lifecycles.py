"""One cell's processes against a service that fails at random, killed anywhere: is anything paid for twice?"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.remote.endpoint import Endpoint
from harness.remote.orders import HostedRecipe, Pending, StillWaiting
from harness.remote.purse import Purse, read_ledger
from tests.support.killed import KILLED, fate
from tests.support.services import AWS, CAP_USD, OPENAI, RATES, SAGEMAKER, TUNED, Service, material, questions
from tests.support.standin import Accounts


@dataclass
class Ended:
    """How a lifecycle went, on both sides."""

    outcome: str
    attempts: int
    kills: int
    jobs: int
    known_usd: float
    doubt_usd: float
    server_usd: float
    got_twice: int
    """Calls of which the purse has two answers."""
    asked_again: int
    """Paid calls beyond one for each body that no doubt explains."""
    released: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        return abs(self.known_usd - self.server_usd) < 1e-12

    @property
    def sound(self) -> bool:
        within = self.known_usd - 1e-12 <= self.server_usd <= self.known_usd + self.doubt_usd + 1e-12
        return within and self.jobs <= 1 and not self.got_twice and self.asked_again <= 0


MOST_ATTEMPTS = 200
FATES = ("succeeded",) * 6 + ("failed", "failed-empty", "no-model", "strange")


def lifecycle(
    folder: Path, draw: random.Random, faulty: float, killed: float, service: Service, asked: int = 5
) -> Ended:
    """Train and ask a model of a stand-in that fails at random, in processes that are killed at random, to an end."""
    fate = draw.choice(FATES)
    faults = random.Random(draw.random())

    def fault(method: str, path: str) -> str | None:
        if faults.random() >= faulty:
            return None
        return faults.choice(("500", "429", "429-after", "drop-before", "drop-after", "truncated", "slow"))

    assert service.lived is not None
    state = service.lived(faults=fault, fate=lambda job: fate, polls=2)
    file, kills, released, attempts, status = folder / "cell.jsonl", 0, 0, 0, "again"
    with service.serving(state) as (url, _):
        while status not in ("done", "failed") and attempts < MOST_ATTEMPTS:
            attempts += 1
            status = _child(service, url, file, asked, draw.uniform(0, 0.25) if draw.random() < killed else None)
            kills += status == KILLED
            if status == "look":
                _release(service, file, state)
                released += 1
        return _ended(status, attempts, kills, released, file, state)


def _ended(status: str, attempts: int, kills: int, released: int, file: Path, state: Accounts) -> Ended:
    ledger = read_ledger(file)
    answered = sum(1 for line in _raw(file) if '"got"' in line)
    paid_chats = state.calls.total() - len(state.jobs)
    got_chats = sum(map(_is_chat, ledger.answers))
    open_chats = sum(count for key, count in ledger.open.items() if _is_chat(key))
    return Ended(
        outcome=status,
        attempts=attempts,
        kills=kills,
        jobs=len(state.jobs),
        known_usd=ledger.known_usd,
        doubt_usd=ledger.doubt_usd,
        server_usd=state.usd(RATES),
        got_twice=answered - len(ledger.answers),
        asked_again=paid_chats - got_chats - open_chats,
        released=released,
    )


def _is_chat(key: str) -> bool:
    return key != "training" and not key.startswith("hosting ")


def _raw(file: Path) -> list[str]:
    return file.read_text(encoding="utf-8", errors="replace").splitlines()


def _release(service: Service, file: Path, state: Accounts) -> None:
    """What a person does who is asked to look: there must be no such job, and no such deployment."""
    purse = Purse(file, {}, 0.0)
    hosting = purse.ledger.hosting
    if hosting is not None and hosting["state"] == "intended":
        assert hosting["label"] not in service.deployed(state), "it did not find a deployment that is there"
        purse.refused(hosting["key"], hosting={**hosting, "state": "withdrawn"})
        purse.close()
        return
    order = purse.ledger.order
    assert order is not None
    labels = {service.label(job) for job in state.jobs.values()}
    assert order["label"] not in labels, "it did not find a job that is there"
    purse.refused(order["key"], order={**order, "state": "withdrawn"})
    purse.close()


def _child(service: Service, url: str, file: Path, asked: int, kill_after_s: float | None) -> str:
    """`done`, `failed`, `look`, `killed`, or `again` where a fault outlived all tries."""
    ends = {0: "done", 1: "failed", 2: "look", 3: "again"}
    return fate(lambda: _work(service, url, file, asked), kill_after_s, ends)


def _work(service: Service, url: str, file: Path, asked: int) -> int:
    from tenacity import wait_random

    import harness.remote.faults
    import harness.remote.paying
    from harness.remote import hosted, hosting

    os.environ.update(service.environment(url))
    harness.remote.paying._JITTER = wait_random(0, 0.01)  # type: ignore[assignment]
    hosted.POLL_EMULATED_S = 0.01
    harness.remote.faults.RETRY_S = 0.01
    if hasattr(service.part(service.reads), "READS"):
        service.part(service.reads).READS = 0
    hosted.DOUBT_S = hosting.DOUBT_S = 0.3
    purse = Purse(file, TUNED, CAP_USD)
    try:
        session = _opened(service, purse)
        recipe = HostedRecipe(1, None, None, 0)
        while service.trains and isinstance(found := session.tune(material(), material(3), recipe, _nothing), Pending):
            time.sleep(min(0.02, found.poll_after_s))
        session.answer(questions(asked))
        session.close()
        return 0
    except HarnessError as error:
        text = str(error)
        if "harness remote release" in text:
            return 2
        return 1 if "--fresh orders another" in text else 3


def _opened(service: Service, purse: Purse) -> Any:
    """As soon as it answers, where it is rented."""
    backend, card = service.part("backend").load(), service.part("capabilities").describe(service.lived_model)
    while True:
        try:
            return backend.open(card, kind="choice", labels=(), seed=0, purse=purse)
        except StillWaiting as waiting:
            time.sleep(min(0.02, waiting.pending.poll_after_s))


def _import_once(service: Service) -> None:
    """Whatever the processes would import each for itself."""
    service.part("backend")
    if service is OPENAI:
        client = service.part("client").synchronous(Endpoint("http://127.0.0.1:9", "127.0.0.1"))
        assert all((client.chat.completions, client.files, client.fine_tuning.jobs))
    if service in (AWS, SAGEMAKER):
        loader = AWS.part("client").LOADER
        for name in AWS.part("places").BEDROCK if service is AWS else AWS.part("places").SAGEMAKER:
            loader.load_service_model(name, "service-2")
            loader.load_service_model(name, "endpoint-rule-set-1")


def _nothing(*_: Any) -> None:
    """No epoch is told."""


def many(
    folder: Path, count: int, seed: int, service: Service, told: Callable[[Ended], None] = lambda ended: None
) -> list[Ended]:
    """So many lifecycles; the seed says which faults and kills."""
    _import_once(service)
    found = []
    for number in range(count):
        draw = random.Random(f"{seed} {number}")
        own = folder / str(number)
        own.mkdir()
        faulty, killed = draw.choice((0.0, 0.1, 0.3)), draw.choice((0.0, 0.3, 0.6))
        ended = lifecycle(own, draw, faulty, killed, service)
        told(ended)
        found.append(ended)
    return found
