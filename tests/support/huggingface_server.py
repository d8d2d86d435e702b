"""A small server that answers as Hugging Face's router and its servers do: completions, and vectors by path."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.standin import Accounts, Handler, Refusal, likely, served, vector, written

GIVEN = {"schema": "response_format", "logprobs": "logprobs", "temperature": "temperature"}
FORMS = {"json_schema": lambda form: form["json_schema"]["schema"], "json_object": lambda form: form["value"]}
"""How a schema is given: to the router, and to Hugging Face's own server."""

SERVED = "m-embed"
"""The model of a server that has one."""


@dataclass
class State(Accounts):
    supports: frozenset[str] = frozenset(GIVEN)
    rows_of_tokens: bool = False
    """Whether vectors are of tokens, as those of a model that is none for sentences."""
    forms: set[str] = field(default_factory=set)


class Api:
    def __init__(self, state: State) -> None:
        self.state = state

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        for feature, parameter in GIVEN.items():
            if parameter in body and feature not in state.supports:
                raise Refusal(422, f"{parameter} is not supported", "validation")
        if "response_format" in body:
            form = body["response_format"]["type"]
            assert FORMS[form](body["response_format"])["properties"]["answer"]["enum"]
            state.forms.add(form)
        prompt, model = body["messages"][-1]["content"], body["model"]
        marks = likely({}, prompt)
        mark = max(marks, key=lambda each: marks[each])
        text, pieces = written(mark, "response_format" in body)
        logs = _logs(marks, mark, pieces, body["top_logprobs"]) if body.get("logprobs") else None
        asked, answered = len(prompt) // 4 + 1, len(text) // 3 + 1
        state.tokens.update({(model, "input tokens"): asked, (model, "output tokens"): answered})
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        message = {"role": "assistant", "content": text}
        return {
            "id": hashlib.sha256(prompt.encode()).hexdigest()[:12],
            "object": "chat.completion",
            "created": 1,
            "model": f"{model}-snapshot",
            "system_fingerprint": "fp_1",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": logs}],
            **({"usage": usage} if state.tells_usage else {}),
        }

    def vectors(self, model: str, body: dict[str, Any]) -> Any:
        texts = body["inputs"]
        self.state.tokens[model, "embedding tokens"] += sum(len(text) // 4 + 1 for text in texts)
        rows = [vector(text) for text in texts]
        return [[row, row] for row in rows] if self.state.rows_of_tokens else rows


def _logs(marks: dict[str, float], mark: str, pieces: list[str], most: int) -> dict[str, Any]:
    best = sorted(marks.items(), key=lambda each: -each[1])[:most]
    top = [{"token": name, "logprob": math.log(p)} for name, p in best]
    rows = [
        {"token": piece, "logprob": math.log(marks[mark]) if piece == mark else 0.0, "top_logprobs": top}
        for piece in pieces
        if piece
    ]
    return {"content": rows}


class _Handler(Handler):
    state: State

    def is_paid(self, method: str, path: str) -> bool:
        return method == "POST"

    def error(self, status: int, message: str, code: str, param: str | None) -> Any:
        return {"error": message, "error_type": code}

    def fault(self, fault: str, told: str) -> tuple[int, Any, dict[str, str]]:
        if fault == "quota":
            return 402, {"error": f"You have exceeded your monthly included credits: {told}"}, {}
        headers = {"retry-after": "0.05"} if fault == "429-after" else {}
        return (int(fault) if fault.isdecimal() else 429), self.error(0, told, "overloaded", None), headers

    def done(self, method: str, path: str, query: dict[str, list[str]], content: bytes) -> Any:
        api = Api(self.state)
        if method == "POST" and path == "/v1/chat/completions":
            return api.chat(json.loads(content))
        if method == "POST" and (found := re.fullmatch(r"/hf-inference/models/(.+)/pipeline/feature-extraction", path)):
            return api.vectors(found[1], json.loads(content))
        if method == "POST" and path == "/":
            return api.vectors(SERVED, json.loads(content))
        raise Refusal(404, f"no such path {method} {path}", "not_found")


@contextmanager
def serving(state: State | None = None) -> Iterator[tuple[str, State]]:
    """The base URL of a server on loopback, and its state."""
    state = state or State()
    with served(_Handler, state) as url:
        yield url, state
