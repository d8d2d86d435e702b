"""A chat model of Vertex AI: the request, what a model understands of it, and the reply."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.genai.models import AsyncModels
from google.genai.types import Candidate, FinishReason, GenerateContentResponse, GenerateContentResponseUsageMetadata

from harness.plugin import Question
from harness.prompts import marks
from harness.remote.asking import Features, without
from harness.remote.chat import Token, prompt, told
from harness.remote.faults import BadRequest, Doubtful, Redact
from harness.remote.paying import Sent
from harness_vertex.faults import faults

ALTERNATIVES = 20
"""The most tokens of which the API tells probabilities in one place."""
NAMED = {
    "logprobs": ("logprob",),
    "thinking": ("thinking",),
    "schema": ("schema", "mime", "controlled generation", "json mode"),
    "temperature": ("temperature",),
}
"""What a refusal says, in small letters, of a feature that a model lacks."""

ONE_REQUEST = {"automatic_continuation": False, "automatic_function_calling": {"disable": True}}
"""Else the SDK sends further ones by itself, each of which is charged for."""


class VertexChat:
    features = frozenset(NAMED)

    def __init__(self, models: AsyncModels, model: str, redact: Redact) -> None:
        self._models, self._model, self._redact = models, model, redact

    def body(self, question: Question, features: Features, limit: int) -> Mapping[str, Any]:
        config: dict[str, Any] = {"max_output_tokens": limit}
        if "temperature" in features:
            config["temperature"] = 0
        if "logprobs" in features and len(question.choices) <= len(marks(26)):
            config |= {"response_logprobs": True, "logprobs": ALTERNATIVES}
        if "schema" in features:
            config |= {"response_mime_type": "application/json", "response_schema": _schema(question)}
        if "thinking" in features:
            config["thinking_config"] = {"thinking_budget": 0}
        return {
            "model": self._model,
            "contents": [{"role": "user", "parts": [{"text": prompt(question)}]}],
            "config": config,
        }

    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        with faults(self._redact, errors_are_sure=True):
            found = await self._models.generate_content(**{**body, "config": {**body["config"], **ONE_REQUEST}})
        if not found.candidates and found.prompt_feedback is None:
            raise Doubtful("an answer that cannot be read: neither a reply nor why there is none")
        return _told(found, choices), _charged(found.usage_metadata)

    def fewer(self, features: Features, refusal: BadRequest) -> Features | None:
        return without(NAMED, features, refusal)


def _schema(question: Question) -> dict[str, Any]:
    """In Google's own form: one field that is one of the marks."""
    answer = {"type": "STRING", "enum": list(marks(len(question.choices)))}
    return {"type": "OBJECT", "properties": {"answer": answer}, "required": ["answer"]}


def _charged(used: GenerateContentResponseUsageMetadata | None) -> dict[str, int]:
    """What a model thought is charged as what it wrote; what was held from earlier prompts, as if it were not."""
    if used is None or used.prompt_token_count is None:
        return {}
    written = (used.candidates_token_count or 0) + (used.thoughts_token_count or 0)
    return {"input tokens": used.prompt_token_count, "output tokens": written}


def _told(response: GenerateContentResponse, choices: int) -> dict[str, Any]:
    """A prompt or reply that was withheld has no candidate or no parts: nothing that can be read."""
    candidate = response.candidates[0] if response.candidates else None
    parts = (candidate.content.parts or ()) if candidate and candidate.content else ()
    return told(
        "".join(part.text or "" for part in parts if not part.thought),
        choices,
        tokens=_tokens(candidate),
        out_of_room=bool(candidate and candidate.finish_reason is FinishReason.MAX_TOKENS),
        model=response.model_version,
        request=response.response_id,
    )


def _tokens(candidate: Candidate | None) -> list[Token]:
    logs = candidate.logprobs_result if candidate else None
    chosen = (logs.chosen_candidates or []) if logs else []
    others = (logs.top_candidates or []) if logs else []
    tokens = []
    for place, each in enumerate(chosen):
        top = (others[place].candidates or []) if place < len(others) else []
        tokens.append(
            Token(
                each.token or "",
                _log(each.log_probability),
                [(one.token or "", _log(one.log_probability)) for one in top],
            )
        )
    return tokens


def _log(told: float | None) -> float:
    """A certain token's log-probability is 0, which JSON of Google's leaves out."""
    return told or 0.0
