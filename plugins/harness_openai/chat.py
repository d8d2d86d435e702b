"""A chat model of OpenAI's API: the request, what a server understands of it, and the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openai import AsyncOpenAI

from harness.plugin import Question
from harness.remote import completions
from harness.remote.asking import Features, without
from harness.remote.faults import BadRequest
from harness.remote.paying import Sent
from harness.remote.redaction import Redactor
from harness_openai.faults import faults

NEWER = "max_completion_tokens"
"""A feature too: what a server calls `max_tokens` that does not know it."""
NAMED = {**completions.NAMED, NEWER: (NEWER,)}


class OpenAIChat:
    features = frozenset(NAMED)

    def __init__(self, client: AsyncOpenAI, model: str, redact: Redactor) -> None:
        self._client, self._model, self._redact = client, model, redact

    def body(self, question: Question, features: Features, limit: int) -> Mapping[str, Any]:
        limited_by = NEWER if NEWER in features else "max_tokens"
        return {**completions.asked(self._model, question, features), limited_by: limit}

    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        with faults(self._redact, errors_are_sure=True):
            found = await self._client.chat.completions.create(**body)
            request = getattr(found, "_request_id", None)
            return completions.answered(found, choices, request), completions.charged(found.usage)

    def fewer(self, features: Features, refusal: BadRequest) -> Features | None:
        return without(NAMED, features, refusal)
