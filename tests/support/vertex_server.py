"""A small stateful server that speaks Vertex AI's and Cloud Storage's APIs, written from the published contract."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import unquote

from tests.support.standin import Accounts, Handler, Refusal, learnt, likely, served, vector, written

PATIENT = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING")
ENDED = ("JOB_STATE_SUCCEEDED", "JOB_STATE_FAILED", "JOB_STATE_CANCELLED", "JOB_STATE_EXPIRED")
GIVEN = {
    "logprobs": ("responseLogprobs", "Logprobs is not supported for this model."),
    "thinking": ("thinkingConfig", "Thinking can't be disabled for this model."),
    "schema": ("responseSchema", "controlled generation is not supported for this model."),
    "temperature": ("temperature", "temperature is not supported for this model."),
}
"""What a model may not know, the parameter by which it is asked for, and how Google refuses it."""
PARENT = r"/v1/(projects/[^/]+/locations/[^/]+)"
TOKENS_IN_EPOCH = 4
"""Characters of a training file for one token."""
DEFAULT_EPOCHS = 3


@dataclass
class State(Accounts):
    supports: frozenset[str] = frozenset(GIVEN)
    thoughts: int = 0
    """Tokens that a model thinks before it writes, where it is not kept from it."""
    continues: bool = False
    """Whether each answer says that there would be more."""
    objects: dict[str, bytes] = field(default_factory=dict)
    written: int = 0
    """Times that an object was written."""
    token: str = ""
    """Given for a service account's assertion; empty: none is."""

    def item(self, model: str) -> str:
        return f"ft:{self.bases[model]}" if model in self.bases else model

    @property
    def bases(self) -> dict[str, str]:
        """Endpoint of what was trained -> the model that it was trained from."""
        done = (job for job in self.jobs.values() if "tunedModel" in job)
        return {job["tunedModel"]["endpoint"]: job["baseModel"] for job in done if "endpoint" in job["tunedModel"]}


class Api:
    """The verbs, each from a request's body to a response's."""

    def __init__(self, state: State) -> None:
        self.state = state

    def generate(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        state, asked = self.state, body["generationConfig"]
        for feature, (parameter, refusal) in GIVEN.items():
            if parameter in asked and feature not in state.supports:
                raise Refusal(400, f"Unable to submit request because {refusal}", "INVALID_ARGUMENT")
        prompt = body["contents"][-1]["parts"][0]["text"]
        marks = likely(state.learnt.get(model, {}), prompt)
        mark = max(marks, key=lambda each: marks[each])
        text, pieces = written(mark, "responseSchema" in asked)
        thought = 0 if "thinkingConfig" in asked else state.thoughts
        room = asked["maxOutputTokens"] - thought
        candidate: dict[str, Any] = {"finishReason": "STOP", "index": 0}
        used = {"promptTokenCount": len(prompt) // 4 + 1}
        if room <= 0:
            candidate |= {"finishReason": "MAX_TOKENS", "content": {"role": "model"}}
            used["thoughtsTokenCount"] = asked["maxOutputTokens"]
        else:
            candidate["content"] = {"role": "model", "parts": [{"text": text}]}
            used["candidatesTokenCount"] = len(text) // 3 + 1
            used |= {"thoughtsTokenCount": thought} if thought else {}
        if state.continues:
            candidate |= {"finishReason": "CONTINUATION", "continuationToken": "AA=="}
        if asked.get("responseLogprobs"):
            candidate["logprobsResult"] = _logs(marks, mark, pieces, asked["logprobs"])
        used["totalTokenCount"] = sum(used.values())
        state.tokens[model, "input tokens"] += used["promptTokenCount"]
        state.tokens[model, "output tokens"] += used["totalTokenCount"] - used["promptTokenCount"]
        return {
            "candidates": [candidate],
            "modelVersion": f"{model.rpartition('/')[2]}-001",
            "responseId": hashlib.sha256(prompt.encode()).hexdigest()[:16],
            **({"usageMetadata": used} if state.tells_usage else {}),
        }

    def predict(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """Vectors of older models, several in a request."""
        rows = [
            {
                "embeddings": {
                    "values": vector(each["content"]),
                    "statistics": {"truncated": False, "token_count": self._read(model, each["content"])},
                }
            }
            for each in body["instances"]
        ]
        return {"predictions": rows, "metadata": {"billableCharacterCount": 1}}

    def embed(self, model: str, body: dict[str, Any]) -> dict[str, Any]:
        """The vector of one text."""
        text = body["content"]["parts"][0]["text"]
        used = self._read(model, text)
        return {
            "embedding": {"values": vector(text)},
            "truncated": False,
            "usageMetadata": {"promptTokenCount": used, "totalTokenCount": used},
        }

    def _read(self, model: str, text: str) -> int:
        used = len(text) // 4 + 1
        self.state.tokens[model, "embedding tokens"] += used
        return used

    def create_job(self, parent: str, body: dict[str, Any]) -> dict[str, Any]:
        spec = body["supervisedTuningSpec"]
        if self._file(spec["trainingDatasetUri"]) is None:
            raise Refusal(400, f"no such object: {spec['trainingDatasetUri']}", "INVALID_ARGUMENT")
        name = f"{parent}/tuningJobs/{len(self.state.jobs) + 1:06d}"
        hyper = {"epochCount": str(DEFAULT_EPOCHS), **spec.get("hyperParameters", {})}
        self.state.jobs[name] = {
            "name": name,
            "baseModel": body["baseModel"],
            "tunedModelDisplayName": body.get("tunedModelDisplayName", ""),
            "labels": body.get("labels", {}),
            "supervisedTuningSpec": {**spec, "hyperParameters": {**hyper, "epochCount": str(hyper["epochCount"])}},
            "state": PATIENT[0],
            "createTime": _time(-60),
            "updateTime": _time(),
        }
        return self.state.jobs[name]

    def _file(self, uri: str) -> bytes | None:
        return self.state.objects.get(uri.removeprefix("gs://"))

    def look(self, name: str) -> dict[str, Any]:
        if name not in self.state.jobs:
            raise Refusal(404, f"no job {name}", "NOT_FOUND")
        job, fate = self.state.jobs[name], self.state.fate(name)
        self.state.looks[name] += 1
        if job["state"] in ENDED:
            return job
        if fate == "stuck" or self.state.looks[name] <= self.state.polls:
            strange = "JOB_STATE_UPDATING" if fate == "strange" else PATIENT[min(self.state.looks[name], 2)]
            job["state"] = strange
            return job
        job["endTime"] = _time()
        if fate in ("failed", "failed-empty", "expired"):
            job["state"] = "JOB_STATE_EXPIRED" if fate == "expired" else "JOB_STATE_FAILED"
            job["error"] = {"code": 3, "message": ""} if fate == "failed-empty" else {"code": 3, "message": "bad rows"}
            return job
        return self._succeed(job, named=fate != "no-model")

    def _succeed(self, job: dict[str, Any], named: bool) -> dict[str, Any]:
        spec = job["supervisedTuningSpec"]
        content = self._file(spec["trainingDatasetUri"]) or b""
        counted = len(content) // TOKENS_IN_EPOCH
        trained = counted * int(spec["hyperParameters"]["epochCount"])
        self.state.tokens[job["baseModel"], "training tokens"] += trained
        job["state"] = "JOB_STATE_SUCCEEDED"
        job["tuningDataStats"] = {"supervisedTuningDataStats": {"totalBillableTokenCount": str(counted)}}
        if named:
            parent, number = job["name"].split("/tuningJobs/")
            job["tunedModel"] = {"model": f"{parent}/models/{number}@1", "endpoint": f"{parent}/endpoints/{number}"}
            rows = (json.loads(line)["contents"] for line in content.decode().splitlines())
            pairs = [[each["parts"][0]["text"] for each in row] for row in rows]
            self.state.learnt[job["tunedModel"]["endpoint"]] = dict(learnt(*pair) for pair in pairs)
        return job

    def cancel(self, name: str) -> dict[str, Any]:
        if name not in self.state.jobs:
            raise Refusal(404, f"no job {name}", "NOT_FOUND")
        if self.state.jobs[name]["state"] not in ENDED:
            self.state.jobs[name] |= {"state": "JOB_STATE_CANCELLED", "endTime": _time()}
        return {}

    def write(self, bucket: str, name: str, content: bytes, first: bool) -> dict[str, Any]:
        if first and f"{bucket}/{name}" in self.state.objects:
            raise Refusal(412, "conditionNotMet", "conditionNotMet")
        self.state.objects[f"{bucket}/{name}"] = content
        self.state.written += 1
        return self.object(bucket, name)

    def object(self, bucket: str, name: str) -> dict[str, Any]:
        content = self.state.objects.get(f"{bucket}/{name}")
        if content is None:
            raise Refusal(404, f"No such object: {bucket}/{name}", "notFound")
        md5 = base64.b64encode(hashlib.md5(content).digest()).decode()
        return {"kind": "storage#object", "name": name, "bucket": bucket, "size": str(len(content)), "md5Hash": md5}


def _logs(marks: dict[str, float], mark: str, pieces: list[str], most: int) -> dict[str, Any]:
    best = sorted(marks.items(), key=lambda each: -each[1])[:most]
    chosen, top = [], []
    for piece in pieces:
        if piece:
            log = math.log(marks[mark]) if piece == mark else 0.0
            one = [{"token": name, "logProbability": math.log(p)} for name, p in best] if piece == mark else []
            # Google's JSON leaves out what is zero.
            chosen.append({"token": piece, **({"logProbability": log} if log else {})})
            top.append({"candidates": one} if one else {})
    return {"chosenCandidates": chosen, "topCandidates": top}


def _time(after_s: float = 0.0) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + after_s))


class _Handler(Handler):
    state: State
    open_paths: ClassVar[tuple[str, ...]] = ("/token",)

    def is_paid(self, method: str, path: str) -> bool:
        paid = path.endswith((":generateContent", ":predict", ":embedContent", "/tuningJobs"))
        return method == "POST" and paid

    def error(self, status: int, message: str, code: str, param: str | None) -> Any:
        return {"error": {"code": status, "message": message, "status": code}}

    def fault(self, fault: str, told: str) -> tuple[int, Any, dict[str, str]]:
        if fault == "500":
            return 500, self.error(500, told, "INTERNAL", None), {}
        body = self.error(429, f"Resource exhausted: {told}", "RESOURCE_EXHAUSTED", None)
        if fault == "quota":
            quota = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel"}
            body["error"]["details"] = [{"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [quota]}]
        if fault == "429-after":
            body["error"]["details"] = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "0.05s"}]
        return 429, body, {}

    def done(self, method: str, path: str, query: dict[str, list[str]], content: bytes) -> dict[str, Any]:
        api = Api(self.state)
        if (method, path) == ("POST", "/token"):
            if not self.state.token:
                raise Refusal(400, "Invalid JWT Signature.", "invalid_grant")
            return {"access_token": self.state.token, "expires_in": 3600, "token_type": "Bearer"}
        if found := re.fullmatch(r"(?:/upload)?/storage/v1/b/([^/]+)/o(?:/(.+))?", path):
            bucket, name = found[1], unquote(found[2] or "")
            if method == "GET":
                return api.object(bucket, name)
            return api.write(bucket, query["name"][0], content, query.get("ifGenerationMatch") == ["0"])
        if found := re.fullmatch(rf"{PARENT}/(publishers/google/models/[^/]+|endpoints/[^/]+):(\w+)", path):
            where, verb = f"{found[1]}/{found[2]}", found[3]
            model = where if "/endpoints/" in where else where.rpartition("/")[2]
            verbs = {"generateContent": api.generate, "predict": api.predict, "embedContent": api.embed}
            if verb in verbs:
                return verbs[verb](model, json.loads(content))
        if found := re.fullmatch(rf"{PARENT}/tuningJobs", path):
            return api.create_job(found[1], json.loads(content)) if method == "POST" else self._page(query)
        if found := re.fullmatch(rf"{PARENT}/tuningJobs/(\d+)(:cancel)?", path):
            name = f"{found[1]}/tuningJobs/{found[2]}"
            return api.cancel(name) if found[3] else api.look(name)
        raise Refusal(404, f"no such path {method} {path}", "NOT_FOUND")

    def _page(self, query: dict[str, list[str]]) -> dict[str, Any]:
        rows = list(self.state.jobs.values())[::-1]
        start, size = int(query.get("pageToken", ["0"])[0]), min(2, int(query.get("pageSize", ["100"])[0]))
        more = {"nextPageToken": str(start + size)} if start + size < len(rows) else {}
        return {"tuningJobs": rows[start : start + size], **more}


@contextmanager
def serving(state: State | None = None) -> Iterator[tuple[str, State]]:
    """The base URL of a server on loopback, and its state."""
    state = state or State()
    with served(_Handler, state) as url:
        yield url, state
