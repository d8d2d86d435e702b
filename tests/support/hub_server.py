"""A small stateful server that speaks as much of the Hub and of its Jobs as machines need: jobs really run, here.

Written from the SDK's own requests with the standard library alone. A job is a process of this machine, ended at its
time limit; what it is charged is what its clock says, whole seconds and one at least.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.processes import waiting
from tests.support.forked import Child, program
from tests.support.hub_models import Models, Raw
from tests.support.standin import Accounts, Handler, Refusal, served

REPO = "org/cells"
DATASET = f"/api/datasets/{REPO}"
FILES = f"/datasets/{REPO}/resolve/main/"
COMMIT = "c" * 40
ENDED = ("COMPLETED", "ERROR", "CANCELED")


@dataclass
class HubState(Accounts):
    files: dict[str, bytes] = field(default_factory=dict)
    private: bool = True
    processes: dict[str, subprocess.Popen[bytes] | Child] = field(default_factory=dict)
    tells_seconds: bool = True
    hidden_lists: int = 0
    """So many lists of jobs do not show yet what was made."""
    changes: dict[str, bytes] = field(default_factory=dict)
    """Part of a file's name -> what it is replaced by when it is put there."""
    limit_s: float = 60.0
    """Of a job that was given a longer one."""
    models: Models = field(default_factory=Models)
    forks: bool = True
    """Whether jobs are forked of the tests' process rather than started anew."""
    canned: bytes | None = None
    """A result that jobs leave without running, after so many `polls`."""


class Api:
    def __init__(self, state: HubState, url: str) -> None:
        self.state, self.url = state, url

    def commit(self, lines: list[dict[str, Any]]) -> dict[str, Any]:
        for line in lines:
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                name = line["value"]["path"]
                other = next((each for part, each in self.state.changes.items() if part in name), None)
                self.state.files[name] = content if other is None else other
        return {"commitUrl": f"{self.url}/datasets/{REPO}/commit/{COMMIT}", "commitOid": COMMIT}

    def order(self, body: dict[str, Any]) -> dict[str, Any]:
        state = self.state
        assert body["timeoutSeconds"] > 0, "it would be ended after half an hour"
        id = f"job-{len(state.jobs)}"
        fate = state.fate(id)
        job = {
            "id": id,
            **body,
            "stage": "SCHEDULING",
            "began": None,
            "ended": None,
            "created": time.time(),
            "why": None,
        }
        state.jobs[id] = job
        if fate == "failed":
            self._end(job, "ERROR", None)
        elif state.canned is not None:
            job.update(stage="RUNNING", began=time.time())
        elif fate != "stuck":
            self._start(job, fate)
        return self.told(job)

    def _start(self, job: dict[str, Any], fate: str) -> None:
        crashes = fate == "crashed"
        command = ["sh", "-c", "exit 3"] if crashes else job["command"]
        job.update(stage="RUNNING", began=time.time())
        surroundings = {**job["environment"], **job["secrets"]}
        forked = self.state.forks and not crashes
        self.state.processes[job["id"]] = started(command, surroundings, forked=forked)

    def look(self, id: str) -> dict[str, Any]:
        if id not in self.state.jobs:
            raise Refusal(404, "no such job", "not_found")
        job = self.state.jobs[id]
        process = self.state.processes.get(id)
        self.state.looks[id] += 1
        if self.state.canned is not None and job["stage"] == "RUNNING" and self.state.looks[id] > self.state.polls:
            self.state.files[f"harness/results/{job['labels']['harness']}.result.tar.gz"] = self.state.canned
            self._end(job, "COMPLETED", None)
        if process is not None and job["stage"] not in ENDED:
            if process.poll() is not None:
                why = None if process.returncode == 0 else f"exited with {process.returncode}"
                self._end(job, "COMPLETED" if why is None else "ERROR", why)
            elif time.time() - job["began"] > min(job["timeoutSeconds"], self.state.limit_s):
                killed(process)
                self._end(job, "ERROR", "Job timeout")
        return self.told(job)

    def cancel(self, id: str) -> dict[str, Any]:
        job = self.state.jobs[id]
        if job["stage"] not in ENDED:
            if id in self.state.processes:
                killed(self.state.processes[id])
            self._end(job, "CANCELED", None)
        return {}

    def _end(self, job: dict[str, Any], stage: str, why: str | None) -> None:
        job.update(stage=stage, ended=time.time(), why=why)
        if job["began"] is not None:
            self.state.tokens[job["flavor"], "machine seconds"] += self._seconds(job)

    def _seconds(self, job: dict[str, Any]) -> int:
        return 0 if job["began"] is None else math.ceil((job["ended"] or time.time()) - job["began"])

    def told(self, job: dict[str, Any]) -> dict[str, Any]:
        seconds = {"schedulingSecs": 0, "runningSecs": self._seconds(job), "totalSecs": self._seconds(job)}
        return {
            "id": job["id"],
            "createdAt": _date(job["created"]),
            "startedAt": _date(job["began"]),
            "finishedAt": _date(job["ended"]),
            "dockerImage": job["dockerImage"],
            "command": job["command"],
            "environment": job["environment"],
            "flavor": job["flavor"],
            "labels": job["labels"],
            "status": {"stage": job["stage"], "message": job["why"]},
            **({"durations": seconds} if self.state.tells_seconds else {}),
            "owner": {"id": "1", "name": "org", "type": "org"},
        }


def started(command: list[str], environment: dict[str, str], *, forked: bool) -> subprocess.Popen[bytes] | Child:
    """As on a machine that has what this one has, but none of its settings."""
    own = {name: value for name, value in os.environ.items() if name in ("PYTHONPATH", "HOME", "LANG")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    surroundings = {**own, "PATH": path, **waiting(), **environment}
    if forked:
        return program(command, surroundings)
    return subprocess.Popen(
        command,
        env=surroundings,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def killed(process: subprocess.Popen[bytes] | Child) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _date(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class _Handler(Handler):
    state: HubState

    def is_paid(self, method: str, path: str) -> bool:
        return method == "POST" and path == "/api/jobs/org"

    def error(self, status: int, message: str, code: str, param: str | None) -> Any:
        return {"error": message}

    def fault(self, fault: str, told: str) -> tuple[int, Any, dict[str, str]]:
        headers = {"retry-after": "0.05"} if fault == "429-after" else {}
        return (int(fault) if fault.isdecimal() else 429), {"error": told}, headers

    def do_HEAD(self) -> None:
        self._serve("HEAD")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def is_let_in(self, path: str) -> bool:
        """Large files are put where they belong by an address that is good for that alone."""
        if path.startswith("/storage/"):
            assert "authorization" not in self.headers
            return True
        return super().is_let_in(path)

    def done(self, method: str, path: str, query: dict[str, list[str]], content: bytes) -> Any:
        api = Api(self.state, f"http://{self.headers['host']}")
        if method in ("GET", "HEAD") and path.startswith(FILES):
            if path.removeprefix(FILES) not in self.state.files:
                raise Refusal(404, "Entry not found", "EntryNotFound")
            return Raw(self.state.files[path.removeprefix(FILES)])
        if method == "GET" and path == DATASET:
            return {"id": REPO, "private": self.state.private, "sha": COMMIT, "siblings": [], "tags": []}
        if method == "POST" and path == f"{DATASET}/preupload/main":
            return {
                "files": [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False}
                    for each in json.loads(content)["files"]
                ]
            }
        if method == "POST" and path == f"{DATASET}/commit/main":
            return api.commit([json.loads(line) for line in content.splitlines()])
        if path == "/api/jobs/org":
            if method == "POST":
                return api.order(json.loads(content))
            self.state.hidden_lists -= 1
            return [] if self.state.hidden_lists >= 0 else [api.look(id) for id in self.state.jobs]
        if found := re.fullmatch(r"/api/jobs/org/([\w-]+)(/cancel)?", path):
            return api.cancel(found[1]) if found[2] else api.look(found[1])
        found = self.state.models.done(api.url, method, path, content)
        if found is not None:
            return found
        raise Refusal(404, f"no such path {method} {path}", "not_found")

    def _send(self, status: int, body: Any, headers: dict[str, str] | None = None, fault: str | None = None) -> None:
        found = dict(headers or {})
        if isinstance(body, Raw):
            found |= {"etag": f'"{hashlib.sha256(body).hexdigest()}"', "x-repo-commit": COMMIT}
        if status == 404:
            found["x-error-code"] = _error_code(body)
        content = bytes(body) if isinstance(body, Raw) else json.dumps(body).encode()
        self._send_bytes(status, content, found, fault)

    def _send_bytes(self, status: int, content: bytes, headers: dict[str, str], fault: str | None) -> None:
        if self.command != "HEAD":
            return super()._send_bytes(status, content, headers, fault)
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
        return None


def _error_code(body: Any) -> str:
    """As the Hub tells what is not there."""
    told = body.get("error", "") if isinstance(body, dict) else ""
    codes = {"Repository not found": "RepoNotFound", "Invalid rev id": "RevisionNotFound", "Entry not": "EntryNotFound"}
    return next((code for words, code in codes.items() if told.startswith(words)), "NotFound")


@contextmanager
def serving(state: HubState | None = None) -> Iterator[tuple[str, HubState]]:
    """The base URL of a server on loopback, and its state; jobs that still run are ended with it."""
    state = state or HubState()
    with served(_Handler, state) as url:
        try:
            yield url, state
        finally:
            for process in state.processes.values():
                killed(process)
