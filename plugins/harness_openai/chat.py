"""A question as a chat request, and the reply as scores: letters under a JSON schema, with probabilities where told."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.plugin import Question
from harness.prompts import marked, marks

LIMITS = (64, 4096)
"""Tokens of an answer; the second only for a model that thinks before it writes and wrote nothing within the first."""
ALTERNATIVES = 20
"""The most tokens of which the API tells probabilities in one place."""
LEAST_CHARS_PER_TOKEN = 2
"""Of a prompt's UTF-8 bytes, to say what a call costs at most."""
SCHEMA_TOKENS = 200
LEAST_LOG = -25.0
CHOSEN, UNREAD = 1.0, 1e-3
NAMED = {
    "schema": ("response_format", "json_schema"),
    "logprobs": ("logprobs",),
    "temperature": ("temperature",),
    "new_limit": ("max_completion_tokens",),
}
"""What a service that does not know a feature says of it."""
HOW = 'Answer with JSON such as {"answer": "A"}, in the place of A the mark of the right choice.'


@dataclass(frozen=True, slots=True)
class Features:
    """What a server understands of the API, found out by what it refuses: the same for all questions."""

    schema: bool = True
    logprobs: bool = True
    temperature: bool = True
    new_limit: bool = True
    """`max_completion_tokens` rather than `max_tokens`."""

    def without(self, names: str) -> Features | None:
        """Less the first that a refusal names; None where it names none that is still used."""
        for feature, words in NAMED.items():
            if getattr(self, feature) and any(word in names for word in words):
                return replace(self, **{feature: False})
        return None


def prompt(question: Question) -> str:
    """The same whatever a server understands, so that a model is asked as it was trained."""
    return f"{marked(question)}\n{HOW}"


def reply(question: Question, target: int) -> str:
    """What a model is trained to answer."""
    return json.dumps({"answer": marks(len(question.choices))[target]})


def request(model: str, question: Question, features: Features, limit: int) -> dict[str, Any]:
    """The body of a chat completion."""
    body: dict[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": prompt(question)}],
        "max_completion_tokens" if features.new_limit else "max_tokens": limit,
    }
    if features.temperature:
        body["temperature"] = 0
    if features.logprobs and len(question.choices) <= len(marks(26)):
        body |= {"logprobs": True, "top_logprobs": ALTERNATIVES}
    if features.schema:
        answer = {"type": "string", "enum": list(marks(len(question.choices)))}
        schema: dict[str, Any] = {"type": "object", "properties": {"answer": answer}, "required": ["answer"]}
        schema["additionalProperties"] = False
        named = {"name": "answer", "strict": True, "schema": schema}
        body["response_format"] = {"type": "json_schema", "json_schema": named}
    return body


def most(body: Mapping[str, Any], limit: int) -> dict[str, int]:
    """What a call may be charged for at most."""
    letters = len(body["messages"][0]["content"].encode())
    return {"input tokens": letters // LEAST_CHARS_PER_TOKEN + SCHEMA_TOKENS, "output tokens": limit}


def told(completion: Any, choices: int) -> dict[str, Any]:
    """What is kept of a reply: the mark it gives, what is told of all marks, and who gave it."""
    choice = completion.choices[0] if completion.choices else None
    text = (choice.message.content or "") if choice else ""
    place = _place(text, choices)
    tokens = choice.logprobs.content if choice and choice.logprobs and choice.logprobs.content else None
    return {
        "mark": None if place is None else text[place[0] : place[1]].upper(),
        "logs": None if place is None or not tokens else _logs(tokens, place[0], marks(choices)),
        "floor": _floor(tokens or ()),
        "thought": bool(choice and choice.finish_reason == "length" and not text),
        "model": completion.model,
        "fingerprint": completion.system_fingerprint,
        "id": completion.id,
        "request": getattr(completion, "_request_id", None),
    }


def _place(text: str, choices: int) -> tuple[int, int] | None:
    """Where the mark stands: under the schema, else as the whole text, else as the only mark there is."""
    known = marks(choices)
    longest = "|".join(sorted(known, key=len, reverse=True))
    for pattern in (rf'"answer"\s*:\s*"?({longest})\b', rf"^\W*(?:answer\W*)?({longest})(?:\W*$|[).:])"):
        if found := re.search(pattern, text, re.IGNORECASE):
            return found.span(1)
    seen = list(re.finditer(rf"(?<!\w)({longest})(?!\w)", text))
    return seen[0].span(1) if len({each[1] for each in seen}) == 1 else None


def _logs(tokens: Sequence[Any], place: int, known: Sequence[str]) -> dict[str, float] | None:
    """Mark -> log of the probability of all tokens that begin with it where the answer's mark stands."""
    at, end = None, 0
    for token in tokens:
        end += len(token.token)
        if place < end:
            at = token
            break
    if at is None:
        return None
    seen: dict[str, float] = {}
    for each in (at, *at.top_logprobs):
        mark = each.token.strip(" \"'").rstrip(" \"'}").upper()
        if mark in known and (each is not at or all(each.token != other.token for other in at.top_logprobs)):
            seen[mark] = float(np.logaddexp(seen.get(mark, -np.inf), each.logprob))
    return seen or None


def _floor(tokens: Sequence[Any]) -> float:
    """The least that is told of any token: what is not told is less."""
    told = [each.logprob for token in tokens for each in token.top_logprobs]
    return max(LEAST_LOG, min(told, default=LEAST_LOG)) - 1.0


def scores(question: Question, answer: Mapping[str, Any]) -> np.ndarray:
    """float32 [choices]: log-probabilities where the service told them; else the one chosen stands out.

    What is not told of a mark is at most the least that was told. A reply that cannot be read is a choice by chance,
    the same whenever the question is asked.
    """
    known = marks(len(question.choices))
    if answer["logs"]:
        least = min(answer["floor"], *answer["logs"].values())
        return np.array([answer["logs"].get(mark, least) for mark in known], dtype=np.float32)
    row = np.zeros(len(known), dtype=np.float32)
    if answer["mark"] in known:
        row[known.index(answer["mark"])] = CHOSEN
    else:
        drawn = int.from_bytes(hashlib.sha256("\n".join((question.text, *question.choices)).encode()).digest()[:8])
        row[drawn % len(known)] = UNREAD
    return row
