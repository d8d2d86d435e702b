"""A chat model of Hugging Face's: the request, what a server understands of it, and the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import AsyncInferenceClient

from harness.plugin import Question
from harness.remote import completions
from harness.remote.asking import Features, without
from harness.remote.faults import BadRequest, Redact
from harness.remote.paying import Sent
from harness_huggingface.faults import faults

NAMED = {**completions.NAMED, "schema": (*completions.NAMED["schema"], "grammar")}


class HuggingFaceChat:
    features = frozenset(NAMED)

    def __init__(self, client: AsyncInferenceClient, model: str, redact: Redact) -> None:
        self._client, self._model, self._redact = client, model, redact

    def body(self, question: Question, features: Features, limit: int) -> Mapping[str, Any]:
        return {**completions.asked(self._model, question, features), "max_tokens": limit}

    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        with faults(self._redact):
            found = await self._client.chat_completion(**body)
        return completions.answered(found, choices), completions.charged(found.usage)

    def fewer(self, features: Features, refusal: BadRequest) -> Features | None:
        return without(NAMED, features, refusal)
