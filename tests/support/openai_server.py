"""A small stateful server that speaks OpenAI's API, written from the published contract."""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support import standin
from tests.support.standin import Accounts, Refusal, learnt, likely, vector, written

PATIENT = ("validating_files", "queued", "running")


@dataclass
class State(Accounts):
    supports: frozenset[str] = frozenset({"schema", "logprobs", "temperature", "max_completion_tokens"})
    files: dict[str, dict[str, Any]] = field(default_factory=dict)

    def item(self, model: str) -> str:
        return model.split(":org:")[0]


class Api:
    """The verbs, each from a request's body to a response's."""

    def __init__(self, state: State) -> None:
        self.state = state

    def chat(self, body: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        given = {
            "schema": "response_format",
            "logprobs": "logprobs",
            "temperature": "temperature",
            "max_completion_tokens": "max_completion_tokens",
        }
        for feature, parameter in given.items():
            if parameter in body and feature not in state.supports:
                raise Refusal(
                    400, f"Unsupported parameter: '{parameter}' is not supported with this model.", param=parameter
                )
        prompt = body["messages"][-1]["content"]
        marks = likely(state.learnt.get(body["model"], {}), prompt)
        mark = max(marks, key=lambda each: marks[each])
        text, pieces = written(mark, "response_format" in body)
        logs = None
        if body.get("logprobs"):
            best = sorted(marks.items(), key=lambda each: -each[1])[: body["top_logprobs"]]
            tops = [[], [{"token": name, "logprob": math.log(p), "bytes": None} for name, p in best], []]
            logs = {
                "content": [
                    {
                        "token": piece,
                        "logprob": math.log(marks[mark]) if top else 0.0,
                        "bytes": None,
                        "top_logprobs": top,
                    }
                    for piece, top in zip(pieces, tops, strict=True)
                    if piece
                ],
                "refusal": None,
            }
        asked, answered = len(prompt) // 4 + 1, len(text) // 3 + 1
        state.tokens.update({(body["model"], "input tokens"): asked, (body["model"], "output tokens"): answered})
        usage = {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}
        return {
            "id": f"chatcmpl-{hashlib.sha256(prompt.encode()).hexdigest()[:12]}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": f"{body['model']}-snapshot",
            "system_fingerprint": "fp_1",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": text, "refusal": None},
                    "logprobs": logs,
                }
            ],
            **({"usage": usage} if state.tells_usage else {}),
        }

    def embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        texts = body["input"]
        data = [{"object": "embedding", "index": n, "embedding": vector(text)} for n, text in enumerate(texts)]
        used = sum(len(text) // 4 + 1 for text in body["input"])
        self.state.tokens[body["model"], "embedding tokens"] += used
        return {
            "object": "list",
            "data": data[::-1],
            "model": body["model"],
            "usage": {"prompt_tokens": used, "total_tokens": used},
        }

    def upload(self, name: str, content: bytes) -> dict[str, Any]:
        id = f"file-{len(self.state.files) + 1:06d}"
        self.state.contents[id] = content
        self.state.files[id] = {
            "id": id,
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
            "filename": name,
            "purpose": "fine-tune",
            "status": "processed",
        }
        return self.state.files[id]

    def create_job(self, body: dict[str, Any]) -> dict[str, Any]:
        if body["training_file"] not in self.state.files:
            raise Refusal(400, f"invalid training_file: {body['training_file']}")
        id = f"ftjob-{len(self.state.jobs) + 1:06d}"
        self.state.jobs[id] = {
            "id": id,
            "object": "fine_tuning.job",
            "created_at": int(time.time()) - 60,
            "finished_at": None,
            "error": None,
            "fine_tuned_model": None,
            "hyperparameters": {"n_epochs": "auto"},
            "model": body["model"],
            "organization_id": "org-1",
            "result_files": [],
            "seed": body.get("seed") or 0,
            "status": PATIENT[0],
            "trained_tokens": None,
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "metadata": body.get("metadata"),
            "method": body.get("method"),
        }
        return self.state.jobs[id]

    def look(self, id: str) -> dict[str, Any]:
        if id not in self.state.jobs:
            raise Refusal(404, f"no job {id}", "not_found")
        job, fate = self.state.jobs[id], self.state.fate(id)
        self.state.looks[id] += 1
        if job["status"] in ("succeeded", "failed", "cancelled"):
            return job
        if fate == "stuck" or self.state.looks[id] <= self.state.polls:
            job["status"] = PATIENT[min(self.state.looks[id], 2)] if fate != "strange" else "paused_by_an_update"
            return job
        job["finished_at"] = int(time.time())
        if fate in ("failed", "failed-empty"):
            told = {"code": "", "message": "", "param": None}
            job |= {"status": "failed", "error": told if fate == "failed-empty" else {**told, "message": "bad rows"}}
            return job
        trained = len(self.state.contents[job["training_file"]]) // 4
        self.state.tokens[job["model"], "training tokens"] += trained
        job |= {"status": "succeeded", "trained_tokens": trained}
        if fate != "no-model":
            job["fine_tuned_model"] = f"ft:{job['model']}:org::{id}"
            self.state.learnt[job["fine_tuned_model"]] = dict(
                learnt(*(message["content"] for message in json.loads(line)["messages"]))
                for line in self.state.contents[job["training_file"]].decode().splitlines()
            )
        return job

    def cancel(self, id: str) -> dict[str, Any]:
        if id not in self.state.jobs:
            raise Refusal(404, f"no job {id}", "not_found")
        if self.state.jobs[id]["status"] not in ("succeeded", "failed"):
            self.state.jobs[id] |= {"status": "cancelled", "finished_at": int(time.time())}
        return self.state.jobs[id]


class Handler(standin.Handler):
    state: State
    api: type[Api] = Api

    def is_paid(self, method: str, path: str) -> bool:
        return method == "POST" and path in ("/v1/chat/completions", "/v1/embeddings", "/v1/fine_tuning/jobs")

    def error(self, status: int, message: str, code: str, param: str | None) -> Any:
        return {"error": {"message": message, "type": code, "code": code, "param": param}}

    def fault(self, fault: str, told: str) -> tuple[int, Any, dict[str, str]]:
        code = {"500": "server_error", "quota": "insufficient_quota"}.get(fault, "rate_limit_exceeded")
        status, headers = (500 if fault == "500" else 429), {"retry-after": "0.05"} if fault == "429-after" else {}
        return status, self.error(status, f"{code}: {told}", code, None), headers

    def done(self, method: str, path: str, query: dict[str, list[str]], content: bytes) -> dict[str, Any]:
        api, parts = self.api(self.state), path.removeprefix("/v1/").split("/")
        if (method, path) == ("POST", "/v1/chat/completions"):
            return api.chat(json.loads(content))
        if (method, path) == ("POST", "/v1/embeddings"):
            return api.embeddings(json.loads(content))
        if (method, path) == ("POST", "/v1/files"):
            return api.upload(*self._file(content))
        if (method, path) == ("GET", "/v1/files"):
            return _page(list(self.state.files.values()), query)
        if method == "GET" and parts[0] == "files" and parts[1] in self.state.files:
            return self.state.files[parts[1]]
        if (method, path) == ("POST", "/v1/fine_tuning/jobs"):
            return api.create_job(json.loads(content))
        if (method, path) == ("GET", "/v1/fine_tuning/jobs"):
            return _page(list(self.state.jobs.values())[::-1], query)
        if method == "GET" and parts[:2] == ["fine_tuning", "jobs"] and len(parts) == 3:
            return api.look(parts[2])
        if method == "POST" and parts[:2] == ["fine_tuning", "jobs"] and parts[3:] == ["cancel"]:
            return api.cancel(parts[2])
        raise Refusal(404, f"no such path {method} {path}", "not_found")

    def _file(self, content: bytes) -> tuple[str, bytes]:
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + content)
        for part in message.iter_parts():
            if part.get_filename():
                return str(part.get_filename()), part.get_payload(decode=True)
        raise Refusal(400, "no file")


def _page(rows: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
    ids = [row["id"] for row in rows]
    after = query.get("after", [None])[0]
    start = ids.index(after) + 1 if after in ids else 0
    limit = int(query.get("limit", ["20"])[0])
    shown = rows[start : start + limit]
    return {
        "object": "list",
        "data": shown,
        "has_more": start + limit < len(rows),
        "first_id": shown[0]["id"] if shown else "",
        "last_id": shown[-1]["id"] if shown else "",
    }


@contextmanager
def serving(state: State | None = None) -> Iterator[tuple[str, State]]:
    """The base URL of a server on loopback, and its state."""
    state = state or State()
    with standin.served(Handler, state) as url:
        yield f"{url}/v1", state
