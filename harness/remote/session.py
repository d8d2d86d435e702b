"""A model of a service: answers or vectors, and training that the service does."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from harness.errors import HarnessError, ModelError
from harness.keys import folder_hash
from harness.prompts import CHARS_PER_TOKEN, readable
from harness.remote.asking import Asker, Chat
from harness.remote.counts import Counts
from harness.remote.embedding import Embedder, Vectors
from harness.remote.endpoint import Endpoint
from harness.remote.hosted import TRAINING, Hosted, polls_every
from harness.remote.hosting import Deployments, Hosting, is_up
from harness.remote.orders import HOSTED_EPOCHS, HostedRecipe, Jobs, Order, Pending, StillWaiting
from harness.remote.purse import Purse
from harness.session import ADAPTATION_FILE, passages_of
from harness.types import NOT_PROBABILITIES, Answers, Artifact, Epoch, Example, ModelCard, Question, TuneLog, Usage

NO_LOGS = "the service tells no probabilities of some answers: the choice that it names scores 1, all others 0"


class Client(Protocol):
    """A service's SDK, opened for one cell; its calls are made in one event loop."""

    sdk: str
    """Its name and version."""

    def chat(self, model: str) -> Chat: ...

    def vectors(self, model: str) -> Vectors: ...

    async def close(self) -> None: ...


class Trains(Protocol):
    """How a service trains."""

    def order(self, model: str, train: Sequence[Example], validation: Sequence[Example], recipe: HostedRecipe) -> Order:
        """In the service's format; raises `HarnessError` for what it would refuse after it was sent."""
        ...

    def jobs(self) -> Jobs: ...


class ServiceSession:
    def __init__(
        self,
        card: ModelCard,
        where: Endpoint,
        purse: Purse,
        client: Client,
        training: Trains | None = None,
        deployments: Callable[[], Deployments] | None = None,
    ) -> None:
        """`deployments`: of a service by which some models answer only while they are deployed."""
        self._card, self._where, self._purse, self._client = card, where, purse, client
        self._training, self._deployments = training, deployments
        self._poll_s = polls_every(where.emulated)
        self._hosting: Hosting | None = None
        self._waits = False
        """Whether a deployment is on its way, for which the cell waits without this session."""
        self._jobs: Jobs | None = None
        self._runner, self._closed = asyncio.Runner(), False
        self._counts = Counts()
        self._use(card.id, card.id)

    def _use(self, model: str, name: str) -> None:
        """Ask this model from now on, by this name."""
        self._model = model
        self._asker = Asker(self._client.chat(name), self._purse, self._counts)
        self._embedder = Embedder(self._client.vectors(name), self._purse, self._counts)

    def rent(self) -> None:
        """Have the model deployed for this cell; raises `StillWaiting` until it answers."""
        if (pending := self._use_deployed(self._card.id)) is not None:
            raise StillWaiting(pending)

    def _use_deployed(self, model: str) -> Pending | None:
        """As `_use`, of a model as soon as it answers."""
        if self._deployments is None:
            self._use(model, model)
            return None
        self._hosting = Hosting(self._deployments(), self._purse, poll_s=self._poll_s)
        name = self._hosting.go_on(model)
        self._waits = isinstance(name, Pending)
        if isinstance(name, Pending):
            return name
        self._use(model, name)
        self._counts.rent(self._hosting.started_s)
        return None

    def answer(self, questions: Sequence[Question]) -> Answers:
        self._must_be("chat", "answers no questions")
        if not questions:
            return Answers(())
        questions = [readable(question) if question.passages else question for question in questions]
        return Answers(tuple(self._runner.run(self._asker.scores(questions))), passages_of(questions))

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        self._must_be("embedding", "makes no vectors")
        if not texts:
            return np.empty((0, 0), np.float32)
        return self._runner.run(self._embedder.vectors(texts))

    def _must_be(self, family: str, otherwise: str) -> None:
        """Nothing is paid for what was not offered, nor rented for longer than it may be."""
        if self._card.family != family:
            raise ModelError(f"{self._card.id} is taken for a model of family {self._card.family!r}: it {otherwise}")
        if self._hosting is not None:
            self._hosting.check()

    def tune(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        recipe: HostedRecipe,
        on_progress: Callable[[Epoch], None],
    ) -> TuneLog | Pending:
        if not isinstance(recipe, HostedRecipe):
            raise HarnessError("a service trains only by a recipe of its own: --strategy hosted")
        if self._training is None:
            raise HarnessError("the service trains no models")
        ordered = self._training.order(self._card.id, train, validation, recipe)
        self._jobs = self._jobs or self._training.jobs()
        found = Hosted(self._jobs, self._purse, _most_tokens(ordered), poll_s=self._poll_s).go_on(ordered)
        if isinstance(found, Pending):
            return found
        assert found.model is not None
        paid = self._purse.answer(TRAINING)
        self._counts.take(TRAINING, paid["billed"] if paid else {}, found.seconds or 0.0)
        if (pending := self._use_deployed(found.model)) is not None:
            return pending
        return TuneLog((), recipe.epochs or 0, None, None)

    def save(self, folder: Path) -> Artifact:
        """The model stays with the service: what is kept is its name."""
        folder.mkdir(parents=True, exist_ok=True)
        told = {"format": "harness.adaptation/1", "base": self._card.revision, "model": self._model}
        (folder / ADAPTATION_FILE).write_text(json.dumps(told), encoding="utf-8")
        return Artifact(str(folder), *folder_hash(folder))

    def reopen(self, folder: Path) -> None:
        try:
            told = json.loads((folder / ADAPTATION_FILE).read_text(encoding="utf-8"))
            base, model = told["base"], str(told["model"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelError(f"{folder} is no kept adaptation: {type(error).__name__}") from None
        if base != self._card.revision:
            raise ModelError(f"{folder} was trained from another model or by another service")
        if (pending := self._use_deployed(model)) is not None:
            raise StillWaiting(pending)

    def forget(self) -> None:
        """Answers are kept, for they are paid for; what they took counts again."""
        self._counts.forget()

    def replayed_s(self) -> float:
        return self._counts.replayed_s()

    def usage(self) -> Usage:
        return self._counts.usage()

    def told(self) -> Mapping[str, Any]:
        asker = self._asker
        notes = []
        if asker.unread:
            notes.append(f"{len(asker.unread)} of {len(asker.answered)} answers could not be read: chosen by chance")
        if guessed := self._purse.ledger.guessed:
            notes.append(f"{guessed} calls were charged at the most that they may cost: the service told no figures")
        doubts = self._purse.ledger.open.total()
        if doubts:
            usd = self._purse.ledger.doubt_usd
            notes.append(f"{doubts} calls had no answer and may have been charged: {usd:.2g} USD at most")
        if is_up(self._purse.ledger.hosting):
            notes.append("its deployment could not be removed and goes on costing money: harness remote orphans")
        service = {
            "endpoint": self._where.url,
            "sdk": self._client.sdk,
            "model": self._model,
            "answered_by": [*asker.models, *self._embedder.models],
            "requests": asker.requests,
            "spent_usd": self._purse.ledger.known_usd,
            "doubt_usd": self._purse.ledger.doubt_usd,
            "calls": self._purse.ledger.calls,
            "notes": notes,
        }
        return {"service": service, **({NOT_PROBABILITIES: NO_LOGS} if asker.without_logs else {})}

    def close(self) -> None:
        """A deployment goes with the session, unless the cell waits for it."""
        try:
            if self._deployments is not None and not self._waits and is_up(self._purse.ledger.hosting):
                (self._hosting or Hosting(self._deployments(), self._purse, poll_s=self._poll_s)).stop()
        finally:
            if not self._closed:
                self._closed = True
                self._runner.run(self._client.close())
                self._runner.close()


def _most_tokens(ordered: Order) -> int:
    """What it may be charged for: every character of the files in every epoch, rather too many than too few."""
    return 2 * len(ordered.train) // CHARS_PER_TOKEN * (ordered.recipe.epochs or HOSTED_EPOCHS)
