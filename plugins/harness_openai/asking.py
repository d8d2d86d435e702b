"""Questions to a chat model: each paid for once, a few at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from openai import AsyncOpenAI

from harness.keys import digest
from harness.plugin import Question
from harness.remote.purse import Purse
from harness.remote.redaction import Redactor
from harness_openai.chat import LIMITS, Features, most, request, scores, told
from harness_openai.client import CONCURRENCY, each, paid
from harness_openai.counts import Counts
from harness_openai.faults import BadRequest

UNANSWERED = ("content_filter", "content_policy_violation", "context_length_exceeded")
"""Codes by which a service refuses one question, and would refuse it again."""
REFUSED: Mapping[str, Any] = {"mark": None, "logs": None, "thought": False, "model": None, "request": None}


class Asker:
    def __init__(self, client: AsyncOpenAI, model: str, purse: Purse, redact: Redactor, counts: Counts) -> None:
        self.model, self.features = model, Features()
        self._client, self._purse, self._redact, self._counts = client, purse, redact, counts
        self.models: dict[str, None] = {}
        """Snapshots that answered, as they name themselves."""
        self.requests: list[str] = []
        """Ids of the first request and the last."""
        self.answered: set[str] = set()
        self.unread: set[str] = set()
        self.without_logs: set[str] = set()

    async def scores(self, questions: Sequence[Question]) -> list[np.ndarray]:
        """float32 [choices] of each; equal questions are asked once."""
        keys = [digest(request("", question, Features(), 0)) for question in questions]
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
            features = self.features
            body = request(self.model, question, features, limit)
            key, dearest = digest(body), most(body, limit)

            async def send(body: Any = body, dearest: Mapping[str, int] = dearest) -> tuple[Any, Mapping[str, int]]:
                found = await self._client.chat.completions.create(**body)
                used = found.usage
                charged = {"input tokens": used.prompt_tokens, "output tokens": used.completion_tokens} if used else {}
                return told(found, len(question.choices)), charged or dearest

            try:
                line, sent = await paid(self._purse, key, dearest, send, self._redact)
            except BadRequest as error:
                fewer = features.without(error.names)
                if fewer is not None:
                    self.features = fewer if self.features == features else self.features
                    continue
                if error.code not in UNANSWERED:
                    raise
                return key, REFUSED
            self._counts.take(key, line["billed"], None if sent else line["s"] / at_once)
            return key, line["answer"]
