"""Questions to a chat model: each paid for once, a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from harness.keys import digest
from harness.remote.chat import LIMITS, UNANSWERED, most, scores
from harness.remote.counts import Counts
from harness.remote.faults import BadRequest
from harness.remote.paying import CONCURRENCY, Sent, each, paid
from harness.remote.purse import Purse
from harness.types import Question

Features = frozenset[str]
"""What a service may understand beside the question, such as a schema; what it refuses is left out for all alike."""


class Chat(Protocol):
    """A chat model, as the SDK of its service asks it."""

    features: Features
    """All that it may understand."""

    def body(self, question: Question, features: Features, limit: int) -> Mapping[str, Any]:
        """What is sent, as JSON; a call is known by it. `limit`: tokens of the answer."""
        ...

    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        """One request and never a second; the answer as `chat.told` makes it.

        Raises `BadRequest`, with `chat.UNANSWERED` as its code where just this question is refused, `Refused` or
        `Doubtful`.
        """
        ...

    def fewer(self, features: Features, refusal: BadRequest) -> Features | None:
        """Less what a refusal names; None where it names nothing that is still used."""
        ...


def without(named: Mapping[str, Sequence[str]], features: Features, refusal: BadRequest) -> Features | None:
    """As `Chat.fewer`; `named`: feature -> what a refusal says of it, in small letters."""
    names = refusal.names.lower()
    for feature, words in named.items():
        if feature in features and any(word in names for word in words):
            return features - {feature}
    return None


class Asker:
    def __init__(self, chat: Chat, purse: Purse, counts: Counts) -> None:
        self._chat, self._purse, self._counts = chat, purse, counts
        self._features = chat.features
        self.models: dict[str, None] = {}
        """Snapshots that answered, as they name themselves."""
        self.requests: list[str] = []
        """Ids of the first request and the last."""
        self.answered: set[str] = set()
        self.unread: set[str] = set()
        self.without_logs: set[str] = set()

    async def scores(self, questions: Sequence[Question]) -> list[np.ndarray]:
        """float32 [choices] of each; equal questions are asked once."""
        keys = [digest(self._chat.body(question, self._chat.features, 0)) for question in questions]
        distinct = dict(zip(keys, questions, strict=True))
        at_once = min(CONCURRENCY, len(distinct))

        async def ask(question: Question) -> np.ndarray:
            return scores(question, await self._answer(question, at_once))

        found = dict(zip(distinct, await each(list(distinct.values()), ask), strict=True))
        return [found[key] for key in keys]

    async def _answer(self, question: Question, at_once: int) -> Mapping[str, Any]:
        for limit in LIMITS:
            key, answer = await self._call(question, limit, at_once)
            if not answer["thought"]:
                break
        self.answered.add(key)
        self.models.update({answer["model"]: None} if answer["model"] else {})
        self.requests = [*self.requests[:1], answer["request"]] if answer["request"] else self.requests
        if answer["mark"] is None:
            self.unread.add(key)
        elif not answer["logs"]:
            self.without_logs.add(key)
        return answer

    async def _call(self, question: Question, limit: int, at_once: int) -> tuple[str, Mapping[str, Any]]:
        while True:
            features = self._features
            body = self._chat.body(question, features, limit)
            key = digest(body)

            async def send(body: Mapping[str, Any] = body) -> Sent:
                return await self._chat.send(body, len(question.choices))

            try:
                line, sent = await paid(self._purse, key, most(question, limit), send)
            except BadRequest as error:
                fewer = self._chat.fewer(features, error)
                if fewer is not None:
                    self._features = fewer if self._features == features else self._features
                    continue
                if error.code != UNANSWERED:
                    raise
                return key, REFUSED
            self._counts.take(key, line["billed"], None if sent else line["s"] / at_once)
            return key, line["answer"]


REFUSED: Mapping[str, Any] = {"mark": None, "logs": None, "thought": False, "model": None, "request": None}
