"""Completions of a chat in the form that OpenAI gave them, in which many servers are asked and answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.prompts import marks
from harness.remote.asking import Features
from harness.remote.chat import Token, prompt, schema, told
from harness.remote.faults import Doubtful
from harness.types import Question

ALTERNATIVES = 20
"""The most tokens of which the API tells probabilities in one place."""
NAMED: Mapping[str, tuple[str, ...]] = {
    "schema": ("response_format", "json_schema"),
    "logprobs": ("logprobs",),
    "temperature": ("temperature",),
}
"""What a server that does not know a feature says of it."""


def asked(model: str, question: Question, features: Features) -> dict[str, Any]:
    """All of a request but the limit of its answer."""
    body: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": prompt(question)}]}
    if "temperature" in features:
        body["temperature"] = 0
    if "logprobs" in features and len(question.choices) <= len(marks(26)):
        body |= {"logprobs": True, "top_logprobs": ALTERNATIVES}
    if "schema" in features:
        named = {"name": "answer", "strict": True, "schema": schema(question)}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def answered(completion: Any, choices: int, request: str | None = None) -> dict[str, Any]:
    """`completion`: the SDK's object, with the API's names; raises `Doubtful` for what is none."""
    if not completion.choices or completion.choices[0].message is None:
        raise Doubtful("an answer that cannot be read: no completion of a chat")
    choice = completion.choices[0]
    written = choice.logprobs.content if choice.logprobs and choice.logprobs.content else ()
    return told(
        choice.message.content or "",
        choices,
        tokens=[
            Token(each.token, each.logprob, [(other.token, other.logprob) for other in each.top_logprobs or ()])
            for each in written
        ],
        out_of_room=choice.finish_reason == "length",
        model=completion.model,
        request=request,
        fingerprint=completion.system_fingerprint,
        id=completion.id,
    )


def charged(usage: Any) -> dict[str, int]:
    """Empty where nothing is told."""
    if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return {}
    return {"input tokens": usage.prompt_tokens, "output tokens": usage.completion_tokens}
