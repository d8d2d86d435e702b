"""A small stateful server that speaks as much of Bedrock, its runtime and S3 as backend `aws` asks for, with faults.

Written from the API's published shapes with the standard library alone, on one port for all three. What a model answers
is that of all our stand-ins. Signatures are looked at for their form; nobody here knows the secret.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from tests.support.standin import Accounts, Handler, Refusal, learnt, likely, served, vector

ACCOUNT, REGION = "123456789012", "us-east-1"
ARN = f"arn:aws:bedrock:{REGION}:{ACCOUNT}"
SIGNED = re.compile(
    r"AWS4-HMAC-SHA256 Credential=(\w+)/\d{8}/[a-z0-9-]+/[a-z0-9-]+/aws4_request, "
    r"SignedHeaders=[a-z0-9;-]*host[a-z0-9;-]*, Signature=[0-9a-f]{64}"
)
DEFAULT_EPOCHS = 4
"""A training is charged as it is estimated on our side, for Bedrock tells no figure that could be compared."""
CODES = {
    "500": (500, "InternalServerException"),
    "429": (429, "ThrottlingException"),
    "429-after": (429, "ThrottlingException"),
    "quota": (400, "ServiceQuotaExceededException"),
    "daily": (429, "ThrottlingException"),
}


@dataclass
class AwsState(Accounts):
    supports: frozenset[str] = frozenset({"tool", "temperature"})
    objects: dict[str, bytes] = field(default_factory=dict)
    """S3: `/bucket/key` -> its bytes."""
    rots: bool = False
    """Whether S3 loses the last byte of what it is sent."""
    moved: str = ""
    """The region to which S3 says that every bucket has moved."""
    deployments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """By ARN."""
    deployed: int = 0
    """That there ever were."""
    hidden_lists: int = 0
    """So many lists of jobs do not show yet what was made."""
    page: int = 100
    trained: str = "custom"
    """What stands before the model's name where prices have what was trained from it."""


class Bedrock:
    """The verbs, each from a request's body to a response's."""

    def __init__(self, state: AwsState) -> None:
        self.state = state

    # -- runtime -------------------------------------------------------------------------------------------

    def converse(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        asked_of, state = self._answering(model), self.state
        if "toolConfig" in body and "tool" not in state.supports:
            raise Refusal(
                400, "This model doesn't support the toolConfig.toolChoice.tool field.", "ValidationException"
            )
        if "temperature" in body["inferenceConfig"] and "temperature" not in state.supports:
            raise Refusal(400, "The model returned: temperature is not supported.", "ValidationException")
        prompt = body["messages"][-1]["content"][0]["text"]
        marks = likely(state.learnt.get(model, {}), prompt)
        mark = max(marks, key=lambda each: marks[each])
        if "toolConfig" in body:
            assert set(body["toolConfig"]["tools"][0]["toolSpec"]["inputSchema"]["json"]) == {
                "type",
                "properties",
                "required",
            }
            name = body["toolConfig"]["toolChoice"]["tool"]["name"]
            content: dict[str, Any] = {"toolUse": {"toolUseId": "tooluse_1", "name": name, "input": {"answer": mark}}}
        else:
            content = {"text": json.dumps({"answer": mark}) if asked_of != model else f"{mark})"}
        asked, answered = len(prompt) // 4 + 1, len(json.dumps(content)) // 3 + 1
        state.tokens.update({(asked_of, "input tokens"): asked, (asked_of, "output tokens"): answered})
        used = {"inputTokens": asked, "outputTokens": answered, "totalTokens": asked + answered}
        return {
            "output": {"message": {"role": "assistant", "content": [content]}},
            "stopReason": "tool_use" if "toolConfig" in body else "end_turn",
            **({"usage": used} if state.tells_usage else {}),
            "metrics": {"latencyMs": 12},
        }

    def _answering(self, model: str) -> str:
        """The item that is charged."""
        if "custom-model-deployment/" not in model:
            if model.startswith(ARN):
                raise Refusal(400, "Invocation of this model needs a deployment.", "ValidationException")
            return model
        state = self.state
        found = state.deployments.get(model)
        if found is None:
            raise Refusal(404, f"no deployment {model}", "ResourceNotFoundException")
        if found["status"] != "Active":
            raise Refusal(429, "The model is not ready yet.", "ModelNotReadyException")
        base = next(job["base"] for job in state.jobs.values() if job["outputModelArn"] == found["modelArn"])
        state.learnt[model] = state.learnt[found["modelArn"]]
        return f"{state.trained}:{base}"

    def invoke(self, model: str, body: dict[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
        texts = body["texts"] if "texts" in body else [body["inputText"]]
        used = sum(len(text) // 4 + 1 for text in texts)
        self.state.tokens[model, "embedding tokens"] += used
        vectors = [vector(text) for text in texts]
        if "texts" in body:
            assert len(texts) <= 96
            assert max(map(len, texts)) <= 2048
            found = {"embeddings": {"float": vectors}, "id": "1", "response_type": "embeddings_by_type"}
            return found, {"x-amzn-bedrock-input-token-count": str(used)}
        return {"embedding": vectors[0], "inputTextTokenCount": used}, {}

    # -- customisation -------------------------------------------------------------------------------------

    def create_job(self, body: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        for arn, job in state.jobs.items():
            if job["clientRequestToken"] == body["clientRequestToken"]:
                return {"jobArn": arn}
            if job["jobName"] == body["jobName"]:
                raise Refusal(400, "The provided job name is taken.", "ConflictException")
        uri = body["trainingDataConfig"]["s3Uri"].removeprefix("s3:/")
        if uri not in state.objects:
            raise Refusal(400, "The training data cannot be read.", "ValidationException")
        if not all(isinstance(value, str) for value in body["hyperParameters"].values()):
            raise Refusal(400, "hyperParameters must be strings", "SerializationException")
        arn = f"{ARN}:model-customization-job/{body['baseModelIdentifier']}/{len(state.jobs) + 1:012d}"
        state.jobs[arn] = {
            **{name: body[name] for name in ("jobName", "clientRequestToken", "roleArn", "hyperParameters")},
            "base": body["baseModelIdentifier"],
            "baseModelArn": f"arn:aws:bedrock:{REGION}::foundation-model/{body['baseModelIdentifier']}",
            "outputModelName": body["customModelName"],
            "jobArn": arn,
            "jobTags": body["jobTags"],
            "status": "InProgress",
            "creationTime": _time(-60),
            "trainingDataConfig": body["trainingDataConfig"],
            "validationDataConfig": {"validators": []},
            "outputDataConfig": body["outputDataConfig"],
            "outputModelArn": None,
            "uri": uri,
        }
        return {"jobArn": arn}

    def look(self, name: str) -> dict[str, Any]:
        state, arn = self.state, self._job(name)
        job, fate = state.jobs[arn], state.fate(arn)
        state.looks[arn] += 1
        if job["status"] in ("Completed", "Failed", "Stopped"):
            return _shown(job)
        if fate == "stuck" or state.looks[arn] <= state.polls:
            job["status"] = "InProgress" if fate != "strange" else "PausedByAnUpdate"
            return _shown(job)
        job["endTime"] = _time()
        if fate in ("failed", "failed-empty"):
            job |= {"status": "Failed", **({} if fate == "failed-empty" else {"failureMessage": "bad rows"})}
            return _shown(job)
        job |= {"status": "Completed", "trainingMetrics": {"trainingLoss": 0.1}}
        epochs = int(job["hyperParameters"].get("epochCount", DEFAULT_EPOCHS))
        state.tokens[job["base"], "training tokens"] += len(state.objects[job["uri"]]) * 2 // 4 * epochs
        if fate != "no-model":
            job["outputModelArn"] = f"{ARN}:custom-model/{job['base']}/{len(state.learnt) + 1:012d}"
            state.learnt[job["outputModelArn"]] = _learnt(state.objects[job["uri"]])
        return _shown(job)

    def jobs(self, query: dict[str, str]) -> dict[str, Any]:
        if self.state.hidden_lists > 0:
            self.state.hidden_lists -= 1
            return {"modelCustomizationJobSummaries": []}
        part = query.get("nameContains", "")
        rows = [
            {
                **{name: job[name] for name in ("jobArn", "baseModelArn", "jobName", "status", "creationTime")},
                **({"endTime": job["endTime"]} if "endTime" in job else {}),
                **({"customModelArn": job["outputModelArn"]} if job["outputModelArn"] else {}),
            }
            for job in self.state.jobs.values()
            if part in job["jobName"]
        ]
        return _page(rows[::-1], "modelCustomizationJobSummaries", query, self.state.page)

    def _job(self, name: str) -> str:
        for arn, job in self.state.jobs.items():
            if name in (arn, job["jobName"]):
                return arn
        raise Refusal(404, f"no job {name}", "ResourceNotFoundException")

    def stop_job(self, name: str) -> dict[str, Any]:
        job = self.state.jobs[self._job(name)]
        if job["status"] in ("Completed", "Failed", "Stopped"):
            raise Refusal(400, f"the job is {job['status']}", "ConflictException")
        job |= {"status": "Stopped", "endTime": _time()}
        return {}

    # -- deployments ---------------------------------------------------------------------------------------

    def deploy(self, body: dict[str, Any]) -> dict[str, Any]:
        state, token = self.state, body["clientRequestToken"]
        for arn, found in state.deployments.items():
            if found["token"] == token:
                return {"customModelDeploymentArn": arn}
            if found["modelDeploymentName"] == body["modelDeploymentName"]:
                raise Refusal(400, "The deployment's name is taken.", "ValidationException")
        if body["modelArn"] not in state.learnt:
            raise Refusal(404, "no such custom model", "ResourceNotFoundException")
        state.deployed += 1
        arn = f"{ARN}:custom-model-deployment/{state.deployed:012d}"
        state.deployments[arn] = {
            "customModelDeploymentArn": arn,
            "modelDeploymentName": body["modelDeploymentName"],
            "modelArn": body["modelArn"],
            "createdAt": _time(),
            "status": "Creating",
            "token": token,
            "looks": 0,
        }
        return {"customModelDeploymentArn": arn}

    def deployment(self, name: str) -> dict[str, Any]:
        found = self._deployed(name)
        found["looks"] += 1
        if found["looks"] > self.state.polls and self.state.fate(name) != "stuck-deployment":
            failed = self.state.fate(name) == "failed-deployment"
            found |= {"status": "Failed", "failureMessage": "no capacity"} if failed else {"status": "Active"}
        return {key: value for key, value in found.items() if key not in ("token", "looks")}

    def _deployed(self, name: str) -> dict[str, Any]:
        for arn, found in self.state.deployments.items():
            if name in (arn, found["modelDeploymentName"]):
                return found
        raise Refusal(404, f"no deployment {name}", "ResourceNotFoundException")

    def deployments(self, query: dict[str, str]) -> dict[str, Any]:
        rows = [
            {
                "customModelDeploymentName": found["modelDeploymentName"],
                **{name: found[name] for name in ("customModelDeploymentArn", "modelArn", "createdAt", "status")},
            }
            for found in self.state.deployments.values()
            if query.get("nameContains", "") in found["modelDeploymentName"]
        ]
        return _page(rows, "modelDeploymentSummaries", query, self.state.page)

    def undeploy(self, name: str) -> dict[str, Any]:
        del self.state.deployments[self._deployed(name)["customModelDeploymentArn"]]
        return {}


def _time(shift: float = 0.0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + shift))


def _shown(job: dict[str, Any]) -> dict[str, Any]:
    hidden = ("base", "uri", "jobTags")
    return {name: value for name, value in job.items() if name not in hidden and value is not None}


def _learnt(content: bytes) -> dict[str, str]:
    """From rows of any family."""
    found = {}
    for line in content.decode().splitlines():
        row = json.loads(line)
        texts = [row["prompt"], row["completion"]] if "prompt" in row else [m["content"] for m in row["messages"]]
        asked, wanted = (text if isinstance(text, str) else text[0]["text"] for text in texts)
        found |= dict([learnt(asked, wanted)])
    return found


def _page(rows: list[dict[str, Any]], key: str, query: dict[str, str], most: int) -> dict[str, Any]:
    start = int(query.get("nextToken", "0"))
    size = min(most, int(query.get("maxResults", "100")))
    more = {"nextToken": str(start + size)} if start + size < len(rows) else {}
    return {key: rows[start : start + size], **more}


class AwsHandler(Handler):
    state: AwsState

    def is_paid(self, method: str, path: str) -> bool:
        return method == "POST" and (path.startswith("/model/") or path == "/model-customization-jobs")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _answer(self, method: str, path: str, query: dict[str, list[str]], content: bytes, fault: str | None) -> None:
        path, flat = unquote(path), {name: values[0] for name, values in query.items()}
        if fault == "drop-before":
            return self._drop()
        if fault == "redirect":
            return self._send(307, {}, {"location": "http://127.0.0.2:9/elsewhere"})
        if fault in CODES:
            status, code = CODES[fault]
            words = {"daily": "Too many tokens per day, please wait before trying again."}
            said = self.headers.get("x-amz-security-token", "") if self.state.echoes_key else words.get(fault, "later")
            return self._refuse(status, code, said, {"retry-after": "0.05"} if fault == "429-after" else {})
        found = SIGNED.fullmatch(self.headers.get("authorization", ""))
        if not found or not self.headers.get("x-amz-date"):
            return self._refuse(403, "MissingAuthenticationTokenException", "no signature")
        if self.state.key and found[1] != self.state.key:
            token = self.headers.get("x-amz-security-token", "")
            return self._refuse(403, "UnrecognizedClientException", f"The security token {token} is invalid.")
        is_paid = self.is_paid(method, path)
        hashed = hashlib.sha256(path.encode() + content).hexdigest()
        headers: dict[str, str] = {}
        try:
            with self.state.lock:
                answer = self._route(method, path, flat, content, headers)
                if is_paid:
                    self.state.calls[hashed] += 1
        except Refusal as error:
            return self._refuse(error.status, error.code, str(error))
        if self.state.pause_s:
            time.sleep(self.state.pause_s)
        if fault == "drop-after":
            return self._drop()
        self._send(200, answer, headers, fault)
        if is_paid and fault != "truncated":
            with self.state.lock:
                self.state.delivered[hashed] += 1
        return None

    def _route(
        self, method: str, path: str, query: dict[str, str], content: bytes, headers: dict[str, str]
    ) -> dict[str, Any] | bytes:
        bedrock = Bedrock(self.state)
        jobs, deployments = "/model-customization-jobs", "/model-customization/custom-model-deployments"
        if found := re.fullmatch(r"/model/(.+)/(converse|invoke)", path):
            if found[2] == "converse":
                return bedrock.converse(found[1], json.loads(content))
            answer, more = bedrock.invoke(found[1], json.loads(content))
            headers |= more
            return answer
        if path == jobs:
            return bedrock.create_job(json.loads(content)) if method == "POST" else bedrock.jobs(query)
        if path.startswith(f"{jobs}/"):
            name = path.removeprefix(f"{jobs}/")
            return bedrock.stop_job(name.removesuffix("/stop")) if method == "POST" else bedrock.look(name)
        if path == deployments:
            return bedrock.deploy(json.loads(content)) if method == "POST" else bedrock.deployments(query)
        if path.startswith(f"{deployments}/"):
            name = path.removeprefix(f"{deployments}/")
            return bedrock.undeploy(name) if method == "DELETE" else bedrock.deployment(name)
        return self._storage(method, path, content)

    def _storage(self, method: str, path: str, content: bytes) -> bytes:
        if self.state.moved:
            raise Refusal(301, self.state.moved, "PermanentRedirect")
        if method == "PUT":
            if self.headers.get("if-none-match") == "*" and path in self.state.objects:
                raise Refusal(412, "it is there", "PreconditionFailed")
            self.state.objects[path] = content[:-1] if self.state.rots else content
            return b""
        if path not in self.state.objects:
            raise Refusal(404, "no such key", "NoSuchKey")
        return self.state.objects[path]

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        if code in ("PreconditionFailed", "NoSuchKey", "PermanentRedirect"):
            more = f"<Endpoint>s3.{message}.amazonaws.com</Endpoint>" if status == 301 else ""
            xml = f"<Error><Code>{code}</Code><Message>{message}</Message>{more}</Error>"
            region = {"x-amz-bucket-region": message} if status == 301 else {}
            return self._send(status, xml.encode(), region)
        return self._send(status, {"message": message}, {"x-amzn-errortype": code, **(headers or {})})

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, fault: str | None = None) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/xml" if isinstance(body, bytes) else "application/json"
        request = {"x-amzn-requestid": f"request-{len(self.state.requests)}"}
        self._send_bytes(status, content, {"content-type": kind, **request, **(headers or {})}, fault)


@contextmanager
def serving(state: AwsState | None = None) -> Iterator[tuple[str, AwsState]]:
    """The URL of a server on loopback for `AWS_ENDPOINT_URL`, and its state."""
    state = state or AwsState()
    with served(AwsHandler, state) as url:
        yield url, state
