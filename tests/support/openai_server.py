"""A small stateful server that speaks OpenAI's API, with faults on demand and accounts of its own.

Written from the published contract with the standard library alone: it shares no code with what it tests. What it
answers is by word overlap, so that reading passages and training help.
"""

from __future__ import annotations

import email.parser
import email.policy
import hashlib
import json
import math
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DIMENSIONS = 48
PATIENT = ("validating_files", "queued", "running")
FAULTS = ("500", "429", "429-after", "drop-before", "drop-after", "truncated", "slow")
"""What may happen to any request: the first four before it is done, the others after."""


@dataclass
class State:
    """What the server knows; `faults` is asked for every request and `fate` for every job."""

    faults: Callable[[str, str], str | None] = lambda method, path: None
    fate: Callable[[str], str] = lambda job: "succeeded"
    supports: frozenset[str] = frozenset({"schema", "logprobs", "temperature", "max_completion_tokens"})
    key: str | None = None
    polls: int = 3
    """Looks at a job until it ends."""
    pause_s: float = 0.0
    echoes_key: bool = False
    calls: Counter[str] = field(default_factory=Counter)
    """Paid calls by the hash of their body."""
    delivered: Counter[str] = field(default_factory=Counter)
    """Of these, those whose answer was sent whole."""
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(model, sort of token) -> how many were charged."""
    busy: int = 0
    busiest: int = 0
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    contents: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    learnt: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def usd(self, rates: dict[tuple[str, str], float]) -> float:
        """`rates`: US dollars for a million; what was trained goes by the model that it was trained from."""
        priced = ((model.split(":org:")[0], sort, count) for (model, sort), count in self.tokens.items())
        return sum(rates[model, sort] * count / 1e6 for model, sort, count in priced)


class Refusal(Exception):
    def __init__(
        self, status: int, message: str, code: str = "invalid_request_error", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


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
        likely = self._likely(body["model"], prompt)
        mark = max(likely, key=lambda each: likely[each])
        text = json.dumps({"answer": mark}) if "response_format" in body else f"{mark})"
        place = text.index(mark, 8 if "response_format" in body else 0)
        logs = None
        if body.get("logprobs"):
            best = sorted(likely.items(), key=lambda each: -each[1])[: body["top_logprobs"]]
            pieces = [text[:place], mark, text[place + len(mark) :]]
            tops = [[], [{"token": name, "logprob": math.log(p), "bytes": None} for name, p in best], []]
            logs = {
                "content": [
                    {
                        "token": piece,
                        "logprob": math.log(likely[mark]) if top else 0.0,
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
            "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
        }

    def _likely(self, model: str, prompt: str) -> dict[str, float]:
        """Mark -> probability."""
        seen = prompt.partition("Choices:")[0]
        passages = {word for line in prompt.splitlines() if line.startswith("Passage: ") for word in _words(line)}
        question = next(line for line in prompt.splitlines() if line.startswith("Question: "))
        choices = dict(re.findall(r"^(\w+)\) (.*)$", prompt, re.MULTILINE))
        known = self.state.learnt.get(model, {})
        scores = {}
        for mark, text in choices.items():
            chance = int.from_bytes(hashlib.sha256(f"{seen} {text}".encode()).digest()[:2]) / 65536
            read = sum(word in passages for word in _words(text))
            learnt = sum(text == answer for key, answer in known.items() if key in question)
            scores[mark] = chance + 4 * read + 4 * learnt
        total = sum(math.exp(score) for score in scores.values())
        return {mark: math.exp(score) / total for mark, score in scores.items()}

    def embeddings(self, body: dict[str, Any]) -> dict[str, Any]:
        data = []
        for index, text in enumerate(body["input"]):
            vector = [0.0] * DIMENSIONS
            for word in _words(text):
                vector[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
            data.append({"object": "embedding", "index": index, "embedding": vector})
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
            self.state.learnt[job["fine_tuned_model"]] = dict(self._learnt(self.state.contents[job["training_file"]]))
        return job

    def _learnt(self, content: bytes) -> Iterator[tuple[str, str]]:
        """The longest word of each question -> the text of its answer."""
        for line in content.decode().splitlines():
            asked, wanted = (message["content"] for message in json.loads(line)["messages"])
            mark = json.loads(wanted)["answer"]
            question = next(each for each in asked.splitlines() if each.startswith("Question: "))
            words = [word for word in _words(question) if word not in ("question", "wording", "active", "when", "are")]
            yield words[0] if words else question, dict(re.findall(r"^(\w+)\) (.*)$", asked, re.MULTILINE))[mark]

    def cancel(self, id: str) -> dict[str, Any]:
        if id not in self.state.jobs:
            raise Refusal(404, f"no job {id}", "not_found")
        if self.state.jobs[id]["status"] not in ("succeeded", "failed"):
            self.state.jobs[id] |= {"status": "cancelled", "finished_at": int(time.time())}
        return self.state.jobs[id]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Head and body leave together: apart, each answer would wait 40 ms for the other side's acknowledgement."""
    state: State
    api: type[Api] = Api

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        content = self.rfile.read(int(self.headers.get("content-length") or 0))
        state, url = self.state, urlsplit(self.path)
        with state.lock:
            state.requests.append((method, url.path))
            fault = state.faults(method, url.path)
            state.busy += 1
            state.busiest = max(state.busiest, state.busy)
        try:
            self._answer(method, url.path, parse_qs(url.query), content, fault)
        finally:
            with state.lock:
                state.busy -= 1

    def _answer(self, method: str, path: str, query: dict[str, list[str]], content: bytes, fault: str | None) -> None:
        if fault == "drop-before":
            return self._drop()
        if fault == "redirect":
            return self._send(307, {}, {"location": "http://127.0.0.2:9/v1/elsewhere"})
        if fault in ("500", "429", "429-after", "quota"):
            code = {"500": "server_error", "quota": "insufficient_quota"}.get(fault, "rate_limit_exceeded")
            told = self.headers.get("authorization", "") if self.state.echoes_key else "try later"
            extra = {"retry-after": "0.05"} if fault == "429-after" else {}
            error = {"message": f"{code}: {told}", "type": code, "code": code, "param": None}
            return self._send(500 if fault == "500" else 429, {"error": error}, extra)
        if not self._is_let_in(path):
            told = self.headers.get("authorization", "")
            error = {
                "message": f"Incorrect API key provided: {told}",
                "type": "x",
                "code": "invalid_api_key",
                "param": None,
            }
            return self._send(401, {"error": error})
        hashed = hashlib.sha256(content).hexdigest()
        is_paid = method == "POST" and path in ("/v1/chat/completions", "/v1/embeddings", "/v1/fine_tuning/jobs")
        try:
            with self.state.lock:
                found = self._do(method, path, query, content)
                if is_paid:
                    self.state.calls[hashed] += 1
        except Refusal as error:
            told = {"message": str(error), "type": error.code, "code": error.code, "param": error.param}
            return self._send(error.status, {"error": told})
        if self.state.pause_s:
            time.sleep(self.state.pause_s)
        if fault == "drop-after":
            return self._drop()
        self._send(200, found, {}, fault)
        if is_paid and fault != "truncated":
            with self.state.lock:
                self.state.delivered[hashed] += 1
        return None

    def _is_let_in(self, path: str) -> bool:
        return not self.state.key or self.headers.get("authorization") == f"Bearer {self.state.key}"

    def _do(self, method: str, path: str, query: dict[str, list[str]], content: bytes) -> dict[str, Any]:
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

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, fault: str | None = None) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.send_header("x-request-id", f"req_{len(self.state.requests)}")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if fault == "truncated":
            self.wfile.write(content[: len(content) // 2])
            return self._drop()
        if fault == "slow":
            for start in range(0, len(content), max(1, len(content) // 4)):
                self.wfile.write(content[start : start + max(1, len(content) // 4)])
                self.wfile.flush()
                time.sleep(0.02)
            return None
        self.wfile.write(content)
        self.wfile.flush()
        return None

    def _drop(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no fault of the server's."""


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
def serving(state: State | None = None, handler: type[Handler] | None = None) -> Iterator[tuple[str, State]]:
    """The base URL of a server on loopback, and its state."""
    state = state or State()
    server = _Server(("127.0.0.1", 0), type("Served", (handler or Handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1", state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
