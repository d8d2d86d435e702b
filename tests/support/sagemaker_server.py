"""The stand-in for AWS, with as much of SageMaker as backend `sagemaker` asks for: endpoints, running and rented.

Written from the API's published shapes and from what its users report of its words.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.aws_server import ACCOUNT, REGION, AwsHandler, AwsState
from tests.support.standin import Refusal, likely, served, vector, written

ARN = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}"
FEATURES = frozenset({"schema", "logprobs", "temperature", "many", "details", "do_sample"})
MESSAGES = {"schema": "response_format", "logprobs": "logprobs", "temperature": "temperature"}
TEXTS = {"schema": "grammar", "logprobs": "top_n_tokens", "details": "details", "do_sample": "do_sample"}


@dataclass
class SageMakerState(AwsState):
    supports: frozenset[str] = FEATURES
    speaks: str = "messages"
    """Or `inputs`, or `vectors`."""
    running: tuple[str, ...] = ("chatty", "m-embed")
    """Endpoints that nobody here rented."""
    models: tuple[str, ...] = ("llama", "bge-small")
    echoes: bool = False
    """Whether a text comes back with what was generated."""
    configs: dict[str, dict[str, Any]] = field(default_factory=dict)
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: int = 0
    rented_s: list[float] = field(default_factory=list)
    """Of each that is gone, from its creation to its removal."""
    rented_as: str = ""
    """Under which prices have tokens of what was rented; empty: under its name."""

    def item(self, model: str) -> str:
        return self.rented_as if self.rented_as and model.startswith("harness-") else model


class SageMaker:
    """The verbs, each from a request's body to a response's."""

    def __init__(self, state: SageMakerState) -> None:
        self.state = state

    # -- what runs on an endpoint --------------------------------------------------------------------------

    def invoke(self, name: str, body: dict[str, Any]) -> Any:
        state = self.state
        there = state.endpoints.get(name)
        if name not in state.running and (there is None or there["EndpointStatus"] != "InService"):
            raise Refusal(400, f"Endpoint {name} of account {ACCOUNT} not found.", "ValidationError")
        if isinstance(body.get("inputs"), list):
            texts = body["inputs"]
            state.tokens[name, "embedding tokens"] += sum(len(text) // 4 + 1 for text in texts)
            return [vector(text) for text in texts]
        wanted = "inputs" if state.speaks == "inputs" else "messages"
        if wanted not in body:
            told = f"Failed to deserialize the JSON body into the target type: missing field `{wanted}` at line 1"
            raise Refusal(422, told, "ModelError")
        return self._text(name, body) if wanted == "inputs" else self._chat(name, body)

    def _refuse_unknown(self, given: dict[str, Any], known: dict[str, str], alternatives: int) -> None:
        for feature, parameter in known.items():
            if given.get(parameter) is not None and feature not in self.state.supports:
                raise Refusal(422, f"{parameter} is not supported", "ModelError")
        if alternatives > 5 and "many" not in self.state.supports:
            raise Refusal(422, "Input validation error: `top_n_tokens` must be >= 0 and <= 5. Given: 20", "ModelError")

    def _chat(self, name: str, body: dict[str, Any]) -> dict[str, Any]:
        assert "model" not in body
        self._refuse_unknown(body, MESSAGES, body.get("top_logprobs", 0))
        prompt, schema = body["messages"][-1]["content"], "response_format" in body
        mark, marks, text, pieces = _said(prompt, schema)
        logs = None
        if body.get("logprobs"):
            top = [{"token": each, "logprob": log} for each, log in _best(marks, body["top_logprobs"])]
            logs = {
                "content": [
                    {"token": each, "logprob": math.log(marks[mark]) if each == mark else 0.0, "top_logprobs": top}
                    for each in pieces
                ]
            }
        asked, answered = self._charge(name, prompt, text)
        message = {"role": "assistant", "content": text}
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        return {
            "id": hashlib.sha256(prompt.encode()).hexdigest()[:12],
            "object": "chat.completion",
            "created": 1,
            "model": "/opt/ml/model",
            "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": logs}],
            **({"usage": usage} if self.state.tells_usage else {}),
        }

    def _text(self, name: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        given = body["parameters"]
        self._refuse_unknown(given, TEXTS, 0)
        assert given["return_full_text"] is False
        prompt = body["inputs"]
        mark, marks, text, pieces = _said(prompt, "grammar" in given)
        asked, answered = self._charge(name, prompt, text)
        details: dict[str, Any] = {
            "finish_reason": "eos_token",
            "generated_tokens": answered,
            "prefill": [{"id": 1, "text": "t", "logprob": None}] * asked if self.state.tells_usage else [],
            "tokens": [
                {"id": 1, "text": each, "logprob": math.log(marks[mark]) if each == mark else 0.0, "special": False}
                for each in pieces
            ]
            + [{"id": 2, "text": "</s>", "logprob": 0.0, "special": True}],
        }
        if "top_n_tokens" in given:
            top = [{"id": 1, "text": each, "logprob": log} for each, log in _best(marks, given["top_n_tokens"])]
            details["top_tokens"] = [top for _ in details["tokens"]]
        whole = prompt + text if self.state.echoes else text
        return [{"generated_text": whole, **({"details": details} if given.get("details") else {})}]

    def _charge(self, name: str, prompt: str, text: str) -> tuple[int, int]:
        asked, answered = len(prompt) // 4 + 1, len(text) // 3 + 1
        self.state.tokens.update({(name, "input tokens"): asked, (name, "output tokens"): answered})
        return asked, answered

    # -- renting -------------------------------------------------------------------------------------------

    def CreateEndpointConfig(self, body: dict[str, Any]) -> dict[str, Any]:
        state, name = self.state, body["EndpointConfigName"]
        (variant,) = body["ProductionVariants"]
        if name in state.configs:
            raise _invalid(f'Cannot create already existing endpoint configuration "{ARN}:endpoint-config/{name}".')
        if variant["ModelName"] not in state.models:
            raise _invalid(f'Could not find model "{ARN}:model/{variant["ModelName"]}".')
        state.configs[name] = body
        return {"EndpointConfigArn": f"{ARN}:endpoint-config/{name}"}

    def DescribeEndpointConfig(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._config(body)
        shown = {name: found[name] for name in ("EndpointConfigName", "ProductionVariants")}
        return {**shown, "EndpointConfigArn": f"{ARN}:endpoint-config/{body['EndpointConfigName']}", "CreationTime": 1}

    def _config(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["EndpointConfigName"]
        if name not in self.state.configs:
            raise _invalid(f'Could not find endpoint configuration "{ARN}:endpoint-config/{name}".')
        return self.state.configs[name]

    def DeleteEndpointConfig(self, body: dict[str, Any]) -> dict[str, Any]:
        self._config(body)
        del self.state.configs[body["EndpointConfigName"]]
        return {}

    def ListEndpointConfigs(self, body: dict[str, Any]) -> dict[str, Any]:
        rows = [
            {"EndpointConfigName": name, "EndpointConfigArn": f"{ARN}:endpoint-config/{name}", "CreationTime": 1}
            for name in self.state.configs
        ]
        return _page(rows, "EndpointConfigs", "EndpointConfigName", body, self.state.page)

    def CreateEndpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        state, name = self.state, body["EndpointName"]
        self._config(body)
        if name in state.endpoints:
            raise _invalid(f'Cannot create already existing endpoint "{ARN}:endpoint/{name}".')
        if state.fate(name) == "no-room":
            raise Refusal(400, "The account-level service limit is 0 Instances.", "ResourceLimitExceeded")
        state.created += 1
        state.endpoints[name] = {
            "EndpointName": name,
            "EndpointArn": f"{ARN}:endpoint/{name}",
            "EndpointConfigName": body["EndpointConfigName"],
            "EndpointStatus": "Creating",
            "CreationTime": time.time(),
            "LastModifiedTime": time.time(),
            "Tags": body["Tags"],
        }
        return {"EndpointArn": f"{ARN}:endpoint/{name}"}

    def DescribeEndpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        state, found = self.state, self._endpoint(body)
        name, fate = found["EndpointName"], self.state.fate(found["EndpointName"])
        state.looks[name] += 1
        if found["EndpointStatus"] == "Deleting":
            state.rented_s.append(time.time() - found["CreationTime"])
            del state.endpoints[name]
        elif found["EndpointStatus"] == "Creating" and state.looks[name] > state.polls and fate != "stuck-endpoint":
            failed = {"EndpointStatus": "Failed", "FailureReason": "The container did not pass the ping health check."}
            found |= failed if fate == "failed-endpoint" else {"EndpointStatus": "InService"}
        return {name: value for name, value in found.items() if name != "Tags"}

    def _endpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        name = body["EndpointName"]
        if name not in self.state.endpoints:
            raise _invalid(f'Could not find endpoint "{ARN}:endpoint/{name}".')
        return self.state.endpoints[name]

    def DeleteEndpoint(self, body: dict[str, Any]) -> dict[str, Any]:
        found = self._endpoint(body)
        if found["EndpointStatus"] in ("Creating", "Deleting"):
            raise _invalid(f'Cannot update in-progress endpoint "{found["EndpointArn"]}".')
        found["EndpointStatus"] = "Deleting"
        return {}

    def ListEndpoints(self, body: dict[str, Any]) -> dict[str, Any]:
        wanted = ("EndpointName", "EndpointArn", "CreationTime", "LastModifiedTime", "EndpointStatus")
        rows = [{name: found[name] for name in wanted} for found in self.state.endpoints.values()]
        return _page(rows, "Endpoints", "EndpointName", body, self.state.page)


def _invalid(message: str) -> Refusal:
    return Refusal(400, message, "ValidationException")


def _said(prompt: str, schema: bool) -> tuple[str, dict[str, float], str, list[str]]:
    marks = likely({}, prompt)
    mark = max(marks, key=lambda each: marks[each])
    text, pieces = written(mark, schema)
    return mark, marks, text, [each for each in pieces if each]


def _best(marks: dict[str, float], most: int) -> list[tuple[str, float]]:
    return [(each, math.log(p)) for each, p in sorted(marks.items(), key=lambda each: -each[1])[:most]]


def _page(rows: list[dict[str, Any]], key: str, name: str, body: dict[str, Any], most: int) -> dict[str, Any]:
    found = [row for row in rows if body.get("NameContains", "") in row[name]]
    start = int(body.get("NextToken", "0"))
    more = {"NextToken": str(start + most)} if start + most < len(found) else {}
    return {key: found[start : start + most], **more}


class _Handler(AwsHandler):
    state: SageMakerState

    def is_paid(self, method: str, path: str) -> bool:
        return path.endswith("/invocations") or super().is_paid(method, path)

    def _serve(self, method: str) -> None:
        """What SageMaker is to do stands in a header, and here in the path, so that faults can tell."""
        if target := self.headers.get("x-amz-target", ""):
            self.path = "/" + target.removeprefix("SageMaker.")
        super()._serve(method)

    def _route(
        self, method: str, path: str, query: dict[str, str], content: bytes, headers: dict[str, str]
    ) -> dict[str, Any] | bytes:
        service = SageMaker(self.state)
        if found := re.fullmatch(r"/endpoints/(.+)/invocations", path):
            answer: dict[str, Any] = service.invoke(found[1], json.loads(content))
            return answer
        if self.headers.get("x-amz-target"):
            done: dict[str, Any] = getattr(service, path.removeprefix("/"))(json.loads(content))
            return done
        return super()._route(method, path, query, content, headers)

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        if code == "ModelError":
            quoted = {"OriginalStatusCode": status, "OriginalMessage": json.dumps({"error": message})}
            told = f"Received client error ({status}) from primary with message {quoted['OriginalMessage']}."
            return self._send(424, {"Message": told, **quoted}, {"x-amzn-errortype": code})
        if self.headers.get("x-amz-target"):
            return self._send(status, {"__type": code, "message": message}, headers)
        return super()._refuse(status, code, message, headers)


@contextmanager
def serving(state: SageMakerState | None = None) -> Iterator[tuple[str, SageMakerState]]:
    """The URL of a server on loopback for `AWS_ENDPOINT_URL`, and its state."""
    state = state or SageMakerState()
    with served(_Handler, state) as url:
        yield url, state
