"""What the stand-ins of services have in common: a server on loopback with faults on demand and accounts of its own.

Standard library alone: it shares no code with what it tests. What it answers is by word overlap, so that reading
passages and training help.
"""

from __future__ import annotations

import contextlib
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
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

DIMENSIONS = 48
FAULTS = ("500", "429", "429-after", "drop-before", "drop-after", "truncated", "slow")
"""What may happen to any request: the first four before it is done, the others after."""


@dataclass
class Accounts:
    """What every stand-in knows; `faults` is asked for every request and `fate` for every job."""

    faults: Callable[[str, str], str | None] = lambda method, path: None
    fate: Callable[[str], str] = lambda job: "succeeded"
    key: str | None = None
    """The bearer's token that is asked for."""
    polls: int = 3
    """Looks at a job until it ends."""
    pause_s: float = 0.0
    echoes_key: bool = False
    tells_usage: bool = True
    """Whether an answer says what it is charged."""
    calls: Counter[str] = field(default_factory=Counter)
    """Paid calls by the hash of their body."""
    delivered: Counter[str] = field(default_factory=Counter)
    """Of these, those whose answer was sent whole."""
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(model, sort of token) -> how many were charged."""
    busy: int = 0
    busiest: int = 0
    contents: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    looks: Counter[str] = field(default_factory=Counter)
    learnt: dict[str, dict[str, str]] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def usd(self, rates: dict[tuple[str, str], float]) -> float:
        """`rates`: US dollars for a million; what was trained goes by the model that it was trained from."""
        priced = ((self.item(model), sort, count) for (model, sort), count in self.tokens.items())
        return sum(rates[model, sort] * count / 1e6 for model, sort, count in priced)

    def item(self, model: str) -> str:
        """Under which prices have it."""
        return model


class Refusal(Exception):
    def __init__(
        self, status: int, message: str, code: str = "invalid_request_error", param: str | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


def words(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def likely(known: dict[str, str], prompt: str) -> dict[str, float]:
    """Mark -> probability; `known`: what was learnt."""
    seen = prompt.partition("Choices:")[0]
    passages = {word for line in prompt.splitlines() if line.startswith("Passage: ") for word in words(line)}
    question = next(line for line in prompt.splitlines() if line.startswith("Question: "))
    scores = {}
    for mark, text in re.findall(r"^(\w+)\) (.*)$", prompt, re.MULTILINE):
        chance = int.from_bytes(hashlib.sha256(f"{seen} {text}".encode()).digest()[:2]) / 65536
        read = sum(word in passages for word in words(text))
        learnt = sum(text == answer for key, answer in known.items() if key in question)
        scores[mark] = chance + 4 * read + 4 * learnt
    total = sum(math.exp(score) for score in scores.values())
    return {mark: math.exp(score) / total for mark, score in scores.items()}


def written(mark: str, schema: bool) -> tuple[str, list[str]]:
    """A reply, and its pieces, of which the mark is one of its own."""
    text = json.dumps({"answer": mark}) if schema else f"{mark})"
    place = text.index(mark, 8 if schema else 0)
    return text, [text[:place], mark, text[place + len(mark) :]]


def vector(text: str) -> list[float]:
    row = [0.0] * DIMENSIONS
    for word in words(text):
        row[hashlib.sha256(word.encode()).digest()[0] % DIMENSIONS] += 1.0
    return row


def learnt(asked: str, wanted: str) -> tuple[str, str]:
    """The longest word of a training question -> the text of its answer."""
    mark = json.loads(wanted)["answer"]
    question = next(each for each in asked.splitlines() if each.startswith("Question: "))
    known = [word for word in words(question) if word not in ("question", "wording", "active", "when", "are")]
    return known[0] if known else question, dict(re.findall(r"^(\w+)\) (.*)$", asked, re.MULTILINE))[mark]


class Handler(BaseHTTPRequestHandler):
    """A service's own class says what it does, what is paid, and how it tells errors."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1
    """Head and body leave together: apart, each answer would wait 40 ms for the other side's acknowledgement."""
    state: Any
    open_paths: ClassVar[tuple[str, ...]] = ()
    """That need no token."""

    def done(self, method: str, path: str, query: dict[str, list[str]], content: bytes) -> Any:
        """As JSON; raises `Refusal`."""
        raise NotImplementedError

    def is_paid(self, method: str, path: str) -> bool:
        raise NotImplementedError

    def error(self, status: int, message: str, code: str, param: str | None) -> Any:
        """As JSON."""
        raise NotImplementedError

    def is_let_in(self, path: str) -> bool:
        bearer = self.headers.get("authorization", "")
        return not self.state.key or path in self.open_paths or bearer == f"Bearer {self.state.key}"

    def fault(self, fault: str, told: str) -> tuple[int, Any, dict[str, str]]:
        """Status, body and headers of `500`, `429`, `429-after` and `quota`."""
        raise NotImplementedError

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def _serve(self, method: str) -> None:
        length = int(self.headers.get("content-length") or 0)
        content = self.rfile.read(length)
        if len(content) < length:
            return self._drop()  # its sender was killed: half a request is none
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
        return None

    def _answer(self, method: str, path: str, query: dict[str, list[str]], content: bytes, fault: str | None) -> None:
        bearer = self.headers.get("authorization", "")
        if fault == "drop-before":
            return self._drop()
        if fault == "redirect":
            return self._send(307, {}, {"location": "http://127.0.0.2:9/v1/elsewhere"})
        if fault in ("500", "504", "429", "429-after", "quota"):
            return self._send(*self.fault(fault, bearer if self.state.echoes_key else "try later"))
        if not self.is_let_in(path):
            told = f"Incorrect API key provided: {bearer}"
            return self._send(401, self.error(401, told, "invalid_api_key", None))
        hashed, is_paid = hashlib.sha256(content).hexdigest(), self.is_paid(method, path)
        try:
            with self.state.lock:
                found = self.done(method, path, query, content)
                if is_paid:
                    self.state.calls[hashed] += 1
        except Refusal as error:
            return self._send(error.status, self.error(error.status, str(error), error.code, error.param))
        if self.state.pause_s:
            time.sleep(self.state.pause_s)
        if fault == "drop-after":
            return self._drop()
        self._send(200, found, {}, fault)
        if is_paid and fault != "truncated":
            with self.state.lock:
                self.state.delivered[hashed] += 1
        return None

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, fault: str | None = None) -> None:
        always = {"content-type": "application/json", "x-request-id": f"req_{len(self.state.requests)}"}
        self._send_bytes(status, json.dumps(body).encode(), {**always, **(headers or {})}, fault)

    def _send_bytes(self, status: int, content: bytes, headers: dict[str, str], fault: str | None) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(content)))
        for name, value in headers.items():
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
        with contextlib.suppress(OSError):  # the other side may be gone
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no fault of the server's."""


@contextmanager
def served(handler: type[Handler], state: Accounts) -> Iterator[str]:
    """The URL of a server on loopback."""
    server = _Server(("127.0.0.1", 0), type("Handler", (handler,), {"state": state}))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
