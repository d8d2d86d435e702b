"""A chat model of Bedrock: the request, what a model understands of it, and the reply."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from harness.plugin import Question
from harness.remote.asking import Features, without
from harness.remote.chat import prompt, schema, told
from harness.remote.faults import BadRequest
from harness.remote.paying import Sent
from harness.remote.purse import Billed
from harness.remote.redaction import Redactor
from harness_aws.faults import faults
from harness_aws.names import DEPLOYED, Names

Run = Callable[..., Awaitable[Any]]
TOOL = "answer"
NAMED = {"tool": ("tool",), "temperature": ("temperature",)}
"""What Bedrock says of a feature that a model does not know."""
TRAINED = (DEPLOYED, "provisioned-model/", "custom-model/", "imported-model/")
"""ARNs of what somebody trained: it writes what it was shown, which is no tool's input."""
INPUT = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")


class BedrockChat:
    def __init__(self, client: Any, run: Run, names: Names, model: str, redact: Redactor) -> None:
        self._client, self._run, self._names, self._model, self._redact = client, run, names, model, redact
        self.features: Features = frozenset(NAMED) - ({"tool"} if any(part in model for part in TRAINED) else set())

    def body(self, question: Question, features: Features, limit: int) -> Mapping[str, Any]:
        inference: dict[str, Any] = {"maxTokens": limit}
        if "temperature" in features:
            inference["temperature"] = 0
        body: dict[str, Any] = {
            "modelId": self._model,
            "messages": [{"role": "user", "content": [{"text": prompt(question)}]}],
            "inferenceConfig": inference,
        }
        if "tool" in features:
            body["toolConfig"] = {"tools": [{"toolSpec": _tool(question)}], "toolChoice": {"tool": {"name": TOOL}}}
        return body

    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        with faults(self._redact, errors_are_sure=True):
            found = await self._run(self._converse, body)
            return _told(found, choices), _charged(found.get("usage") or {})

    def _converse(self, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._client.converse(**{**body, "modelId": self._names.of(body["modelId"])})  # type: ignore[no-any-return]

    def fewer(self, features: Features, refusal: BadRequest) -> Features | None:
        return without(NAMED, features, refusal)


def _tool(question: Question) -> dict[str, Any]:
    """Amazon's own models take `type`, `properties` and `required` of a schema and no more."""
    known = {name: part for name, part in schema(question).items() if name != "additionalProperties"}
    return {"name": TOOL, "description": "Takes the mark of the right choice.", "inputSchema": {"json": known}}


def _charged(used: Mapping[str, int]) -> Billed:
    """Empty where nothing is told."""
    if "outputTokens" not in used:
        return {}
    return {"input tokens": sum(used.get(name, 0) for name in INPUT), "output tokens": used["outputTokens"]}


def _told(found: Mapping[str, Any], choices: int) -> dict[str, Any]:
    return told(
        _written(found["output"]["message"]["content"]),
        choices,
        out_of_room=found["stopReason"] == "max_tokens",
        model=found.get("trace", {}).get("promptRouter", {}).get("invokedModelId"),
        request=found["ResponseMetadata"].get("RequestId"),
        ended=found["stopReason"],
    )


def _written(blocks: Sequence[Mapping[str, Any]]) -> str:
    """The tool's input where it was used, else the text; what a model thought is neither."""
    for block in blocks:
        if "toolUse" in block:
            return json.dumps(block["toolUse"]["input"])
    return "".join(block.get("text", "") for block in blocks)
