"""A chat model of OpenAI's API: the request, what a server understands of it, and the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from openai import AsyncOpenAI
from openai.types.chat import ChatCompletion

from harness.plugin import Question
from harness.prompts import marks
from harness.remote.asking import Features
from harness.remote.chat import Token, prompt, schema, told
from harness.remote.faults import BadRequest
from harness.remote.paying import Sent
from harness.remote.redaction import Redactor
from harness_openai.faults import faults

ALTERNATIVES = 20
"""The most tokens of which the API tells probabilities in one place."""
NAMED = {
    "schema": ("response_format", "json_schema"),
    "logprobs": ("logprobs",),
    "temperature": ("temperature",),
    "max_completion_tokens": ("max_completion_tokens",),
}
"""What a server that does not know a feature says of it; the last is `max_tokens` where it is not known."""


class OpenAIChat:
    features = frozenset(NAMED)

    def __init__(self, client: AsyncOpenAI, model: str, redact: Redactor) -> None:
        self._client, self._model, self._redact = client, model, redact

    def body(self, question: Question, features: Features, limit: int) -> Mapping[str, Any]:
        body: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": prompt(question)}],
            "max_completion_tokens" if "max_completion_tokens" in features else "max_tokens": limit,
        }
        if "temperature" in features:
            body["temperature"] = 0
        if "logprobs" in features and len(question.choices) <= len(marks(26)):
            body |= {"logprobs": True, "top_logprobs": ALTERNATIVES}
        if "schema" in features:
            named = {"name": "answer", "strict": True, "schema": schema(question)}
            body["response_format"] = {"type": "json_schema", "json_schema": named}
        return body

    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        with faults(self._redact, errors_are_sure=True):
            found = await self._client.chat.completions.create(**body)
            used = found.usage
            charged = {"input tokens": used.prompt_tokens, "output tokens": used.completion_tokens} if used else {}
            return _told(found, choices), charged

    def fewer(self, features: Features, refusal: BadRequest) -> Features | None:
        for feature, words in NAMED.items():
            if feature in features and any(word in refusal.names for word in words):
                return features - {feature}
        return None


def _told(completion: ChatCompletion, choices: int) -> dict[str, Any]:
    choice = completion.choices[0] if completion.choices else None
    written = choice.logprobs.content if choice and choice.logprobs and choice.logprobs.content else ()
    return told(
        (choice.message.content or "") if choice else "",
        choices,
        tokens=[
            Token(each.token, each.logprob, [(other.token, other.logprob) for other in each.top_logprobs])
            for each in written
        ],
        out_of_room=bool(choice and choice.finish_reason == "length"),
        model=completion.model,
        request=getattr(completion, "_request_id", None),
        fingerprint=completion.system_fingerprint,
        id=completion.id,
    )
