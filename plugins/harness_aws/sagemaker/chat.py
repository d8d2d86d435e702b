"""A chat model behind an endpoint, in whichever of two forms it speaks: messages, or a text to go on with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.plugin import Question
from harness.remote import completions
from harness.remote.asking import Features, without
from harness.remote.chat import UNANSWERED
from harness.remote.faults import BadRequest
from harness.remote.paying import Sent
from harness_aws.sagemaker import texts
from harness_aws.sagemaker.asking import Ask, Faults

MESSAGES = "messages"
MANY, FEW = "many", 5
"""Alternatives of a token: as many as OpenAI tells, or as few as Hugging Face's server is set up to tell."""
NAMED = {MANY: ("top_n_tokens", "top_logprobs"), **completions.NAMED}


class SageMakerChat:
    features: Features = frozenset({MESSAGES, *NAMED})

    def __init__(self, ask: Ask, faults: Faults, endpoint: str) -> None:
        self._ask, self._faults, self._endpoint = ask, faults, endpoint
        self._is_understood = False
        """Whether it has answered messages: then a refusal is no sign that it speaks the other form."""
        self._refusal = ""
        """Of messages, told with that of a text: either may be the one that matters."""

    def body(self, question: Question, features: Features, limit: int) -> Mapping[str, Any]:
        form = _messages if MESSAGES in features else texts.asked
        return {"endpoint": self._endpoint, "body": form(question, features, limit)}

    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        is_text = MESSAGES not in body["body"]
        try:
            with self._faults():
                found, request = await self._ask(body)
                sent = _read(found, body["body"], choices, request)
        except BadRequest as error:
            if not (is_text and self._refusal):
                raise
            raise BadRequest(f"{error} (and asked by messages: {self._refusal})", error.names, error.code) from None
        self._is_understood = self._is_understood or not is_text
        return sent

    def fewer(self, features: Features, refusal: BadRequest) -> Features | None:
        """Without what is refused; the other form where messages are refused for no other reason that is known."""
        if refusal.code == UNANSWERED:
            return None
        if MESSAGES not in features:
            return without(texts.NAMED, features, refusal)
        fewer = without(NAMED, features, refusal)
        if fewer is not None or self._is_understood:
            return fewer
        self._refusal = str(refusal)
        return frozenset(texts.NAMED)


def _messages(question: Question, features: Features, limit: int) -> dict[str, Any]:
    """Without a model's name: an endpoint has one model, and knows it by a name of its own."""
    body = {**completions.asked("", question, features), "max_tokens": limit}
    del body["model"]
    if "top_logprobs" in body and MANY not in features:
        body["top_logprobs"] = FEW
    return body


class _Told(dict[str, Any]):
    """An object of JSON, with its names as an SDK has them; what is not told is None."""

    __getattr__ = dict.get


def _read(found: Any, asked: Mapping[str, Any], choices: int, request: str | None) -> Sent:
    """By the form of the reply, which need not be that of the request."""
    if isinstance(found, dict) and "choices" in found:
        completion = _objects(found)
        return completions.answered(completion, choices, request), completions.charged(completion.usage)
    return texts.answered(found, asked, choices, request), texts.charged(found)


def _objects(found: Any) -> Any:
    if isinstance(found, dict):
        return _Told({name: _objects(value) for name, value in found.items()})
    return [_objects(each) for each in found] if isinstance(found, list) else found
