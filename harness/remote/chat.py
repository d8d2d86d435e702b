"""A question as a chat model reads it, and its reply as scores: marks of choices, with probabilities where told."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.prompts import marked, marks
from harness.remote.paying import LEAST_CHARS_PER_TOKEN
from harness.types import Question

LIMITS = (64, 4096)
"""Tokens of an answer; the second only for a model that thinks before it writes and wrote nothing within the first."""
SCHEMA_TOKENS = 200
LEAST_LOG = -25.0
CHOSEN, UNREAD = 1.0, 1e-3
HOW = 'Answer with JSON such as {"answer": "A"}, in the place of A the mark of the right choice.'
UNANSWERED = "unanswered"
"""Code of a `BadRequest` by which a service refuses one question, and would refuse it again."""


@dataclass(frozen=True, slots=True)
class Token:
    """One that was written, with what else might have stood there."""

    text: str
    log: float
    """Natural log of its probability."""
    others: Sequence[tuple[str, float]] = field(default=())


def prompt(question: Question) -> str:
    """The same whatever a server understands, so that a model is asked as it was trained."""
    return f"{marked(question)}\n{HOW}"


def reply(question: Question, target: int) -> str:
    """What a model is trained to answer."""
    return json.dumps({"answer": marks(len(question.choices))[target]})


def schema(question: Question) -> dict[str, Any]:
    """JSON schema of the reply: one field that is one of the marks."""
    answer = {"type": "string", "enum": list(marks(len(question.choices)))}
    return {"type": "object", "properties": {"answer": answer}, "required": ["answer"], "additionalProperties": False}


def most(question: Question, limit: int) -> dict[str, int]:
    """What a call may be charged for at most, in tokens."""
    letters = len(prompt(question).encode())
    return {"input tokens": letters // LEAST_CHARS_PER_TOKEN + SCHEMA_TOKENS, "output tokens": limit}


def told(
    text: str,
    choices: int,
    *,
    tokens: Sequence[Token] = (),
    out_of_room: bool = False,
    model: str | None = None,
    request: str | None = None,
    **identity: str | None,
) -> dict[str, Any]:
    """What is kept of a reply: the mark it gives, what is told of all marks, and who gave it.

    `out_of_room`: whether the limit of tokens ended it.
    """
    place = _place(text, choices)
    return {
        "mark": None if place is None else text[place[0] : place[1]].upper(),
        "logs": None if place is None or not tokens else _logs(tokens, place[0], marks(choices)),
        "floor": _floor(tokens),
        "thought": out_of_room and not text,
        "model": model,
        "request": request,
        **identity,
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


def _logs(tokens: Sequence[Token], place: int, known: Sequence[str]) -> dict[str, float] | None:
    """Mark -> log of the probability of all tokens that begin with it where the answer's mark stands."""
    at, end = None, 0
    for token in tokens:
        end += len(token.text)
        if place < end:
            at = token
            break
    if at is None:
        return None
    there = dict([(at.text, at.log), *at.others])
    seen: dict[str, float] = {}
    for text, log in there.items():
        mark = text.strip(" \"'").rstrip(" \"'}").upper()
        if mark in known:
            seen[mark] = float(np.logaddexp(seen.get(mark, -np.inf), log))
    return seen or None


def _floor(tokens: Sequence[Token]) -> float:
    """The least that is told of any token: what is not told is less."""
    told = [log for token in tokens for _, log in token.others]
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
