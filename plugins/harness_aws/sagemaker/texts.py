"""A text to go on with, as Hugging Face's text generation inference takes it, and servers that took it over."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.plugin import Question
from harness.remote.asking import Features
from harness.remote.chat import Token, prompt, schema, told

ALTERNATIVES = 5
NAMED = {
    "schema": ("grammar",),
    "logprobs": ("top_n_tokens",),
    "details": ("details",),
    "greedy": ("do_sample",),
}
"""What a server that does not know a feature says of it."""


def asked(question: Question, features: Features, limit: int) -> dict[str, Any]:
    parameters: dict[str, Any] = {"max_new_tokens": limit, "return_full_text": False}
    if "greedy" in features:
        parameters["do_sample"] = False
    if "details" in features:
        parameters["details"] = True
        if "logprobs" in features:
            parameters["top_n_tokens"] = ALTERNATIVES
    if "schema" in features:
        parameters["grammar"] = {"type": "json", "value": schema(question)}
    return {"inputs": prompt(question), "parameters": parameters}


def answered(found: Any, asked: Mapping[str, Any], choices: int, request: str | None) -> dict[str, Any]:
    """Raises `LookupError` or `TypeError` for what is none."""
    one = _one(found)
    details = one.get("details") or {}
    # Some give the question back though they were asked not to: what stands in it is no answer.
    text = one["generated_text"].removeprefix(asked.get("inputs", ""))
    return told(
        text,
        choices,
        tokens=_tokens(details) if text == _joined(details) else (),
        out_of_room=details.get("finish_reason") == "length",
        request=request,
    )


def charged(found: Any) -> dict[str, int]:
    """Empty unless both figures are told: those of the question are where its tokens are listed."""
    details = _one(found).get("details") or {}
    asked, written = len(details.get("prefill") or ()), details.get("generated_tokens")
    return {"input tokens": asked, "output tokens": int(written)} if asked and written is not None else {}


def _one(found: Any) -> Mapping[str, Any]:
    one: Mapping[str, Any] = found[0] if isinstance(found, list) else found
    return one


def _tokens(details: Mapping[str, Any]) -> list[Token]:
    """Those that are text, with what else might have stood there."""
    rows, others = details.get("tokens") or (), details.get("top_tokens") or ()
    beside = [*others, *[()] * (len(rows) - len(others))]
    return [
        Token(row["text"], row["logprob"], [(each["text"], each["logprob"]) for each in top])
        for row, top in zip(rows, beside, strict=True)
        if not row.get("special")
    ]


def _joined(details: Mapping[str, Any]) -> str:
    """Where the tokens' texts make up the whole text, a mark's place is known among them."""
    return "".join(token.text for token in _tokens(details))
