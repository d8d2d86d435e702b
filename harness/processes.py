"""Local workers: one zygote per set of preloaded modules, one forked process per job, messages as they come."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.types import Status

GRACE_S = 3.0
"""Between asking an overdue worker to end and killing it."""

WAITING = {"GOMP_SPINCOUNT": "2000"}
"""Threads that wait for one another spin for some microseconds, then sleep.

In bf16 a step is many short products: sleeping at once made one 1.4 times as long on an idle machine. Spinning on, as
libgomp does by itself, is no faster than this, and beside one other busy process it measured 4 to 6 times slower.
"""


@dataclass(slots=True)
class _Zygote:
    process: subprocess.Popen[bytes]
    control: socket.socket
    buffer: bytes = b""


@dataclass(slots=True)
class _Running:
    id: str
    number: int
    zygote: _Zygote
    channel: socket.socket
    deadline: float
    pid: int | None = None
    buffer: bytes = b""
    told_end: bool = False
    cancelled: bool = False
    overdue: bool = False
    killed: float | None = None
    oom_kills: int = field(default_factory=lambda: _oom_kills())


def waiting() -> dict[str, str]:
    """How threads wait in processes that are started here: `WAITING`, unless the user's environment says otherwise."""
    return {} if "OMP_WAIT_POLICY" in os.environ else WAITING


class LocalProcesses:
    """The `Executor` of this machine: forked workers. Use as a context manager, so that nothing outlives it.

    A run makes its own unless it is given one; several runs that share one start their frameworks once.
    """

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._zygotes: dict[tuple[str, ...], _Zygote] = {}
        self._running: dict[int, _Running] = {}
        """By number: a job's id may come again before its last process has been reaped."""
        self._numbers = itertools.count()
        self._selector = selectors.DefaultSelector()

    def __enter__(self) -> LocalProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        for running in self._running.values():
            if running.pid:
                _kill(running.pid, signal.SIGKILL)
        for zygote in self._zygotes.values():
            zygote.control.close()
            try:
                zygote.process.wait(timeout=GRACE_S)
            except subprocess.TimeoutExpired:
                zygote.process.kill()
                zygote.process.wait()
        self._selector.close()

    def submit(self, id: str, job: Mapping[str, Any], preload: tuple[str, ...], limit_s: float) -> None:
        """Start a job; its messages come out of `messages`, the last one with an `end`."""
        zygote = self._zygote(preload)
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        running = _Running(id, next(self._numbers), zygote, ours, time.monotonic() + limit_s)
        line = json.dumps({**job, "id": running.number}, allow_nan=False).encode() + b"\n"
        zygote.control.setblocking(True)
        try:
            socket.send_fds(zygote.control, [line[:1]], [theirs.fileno()])
            zygote.control.sendall(line[1:])
        except OSError as error:
            raise HarnessError(f"the worker's host process has died ({error}); run the same command again") from error
        finally:
            theirs.close()
        self._running[running.number] = running
        self._selector.register(ours, selectors.EVENT_READ, running)

    def cancel(self, id: str) -> None:
        for running in self._running.values():
            if running.id == id:
                running.cancelled = True
                if running.pid:
                    _kill(running.pid, signal.SIGKILL)

    def messages(self, wait_s: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """Messages that arrive within `wait_s`, as (job id, message)."""
        for key, _ in self._selector.select(wait_s):
            if not isinstance(key.data, _Running):
                yield from self._hear_zygote(key.data)
            else:
                yield from self._hear(key.data)
        yield from self._enforce()

    def _zygote(self, preload: tuple[str, ...]) -> _Zygote:
        if preload not in self._zygotes:
            ours, theirs = socket.socketpair()
            name = "-".join(preload) or "plain"
            with open(self._logs / f"zygote-{name}.log", "wb") as log:
                dies = "dies" if threading.current_thread() is threading.main_thread() else "stays"
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "harness.zygote", str(theirs.fileno()), dies, *preload],
                    # -P and our own path: a file that happens to lie in the current folder is not imported.
                    env={**waiting(), **os.environ, "PYTHONPATH": os.pathsep.join(p or os.getcwd() for p in sys.path)},
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            theirs.close()
            zygote = _Zygote(process, ours)
            self._zygotes[preload] = zygote
            self._selector.register(ours, selectors.EVENT_READ, zygote)
        return self._zygotes[preload]

    def _hear(self, running: _Running) -> Iterator[tuple[str, dict[str, Any]]]:
        self._read(running)
        while b"\n" in running.buffer:
            line, running.buffer = running.buffer.split(b"\n", 1)
            message = _parse(line)
            if "end" in message:
                running.told_end = True
            if not running.cancelled:
                yield running.id, message

    def _read(self, running: _Running) -> bool:
        """What has arrived, into the buffer; False if there was nothing, or the channel's end."""
        if running.channel.fileno() < 0:
            return False
        try:
            data = running.channel.recv(1 << 20)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        if not data:
            self._close(running)
        running.buffer += data
        return bool(data)

    def _close(self, running: _Running) -> None:
        if running.channel.fileno() >= 0:
            self._selector.unregister(running.channel)
            running.channel.close()

    def _hear_zygote(self, zygote: _Zygote) -> Iterator[tuple[str, dict[str, Any]]]:
        try:
            data = zygote.control.recv(1 << 16)
        except OSError:
            data = b""
        if not data:
            yield from self._lost(zygote)
            return
        zygote.buffer += data
        while b"\n" in zygote.buffer:
            line, zygote.buffer = zygote.buffer.split(b"\n", 1)
            message = json.loads(line)
            if "started" in message:
                started = self._running[message["started"]]
                started.pid = message["pid"]
                if started.cancelled:
                    _kill(started.pid, signal.SIGKILL)
            elif "ended" in message:
                yield from self._ended(self._running[message["ended"]], message["status"])

    def _ended(self, running: _Running, status: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Everything still in the channel, then a typed end if the worker did not tell one itself.

        It is not read to its end: what the worker started may hold the other side open.
        """
        while self._read(running):
            pass
        yield from self._hear(running)
        self._close(running)
        del self._running[running.number]
        if not running.told_end and not running.cancelled:
            end, reason = _typed(running, status)
            yield running.id, {"end": end, "reason": reason, "usage": {}}

    def _lost(self, zygote: _Zygote) -> Iterator[tuple[str, dict[str, Any]]]:
        self._selector.unregister(zygote.control)
        zygote.control.close()
        zygote.process.kill()
        zygote.process.wait()
        self._zygotes = {key: found for key, found in self._zygotes.items() if found is not zygote}
        for running in [found for found in self._running.values() if found.zygote is zygote]:
            if running.pid:
                _kill(running.pid, signal.SIGKILL)
            yield from self._ended(running, signal.SIGKILL)

    def _enforce(self) -> Iterator[tuple[str, dict[str, Any]]]:
        now = time.monotonic()
        for running in list(self._running.values()):
            if now < running.deadline:
                continue
            if running.pid is None:
                # Its zygote is still importing, or hangs: without it there is no process to end.
                running.overdue = True
                running.zygote.process.kill()
            elif not running.overdue:
                running.overdue, running.killed = True, now
                _kill(running.pid, signal.SIGTERM)
            elif running.killed is not None and now > running.killed + GRACE_S:
                _kill(running.pid, signal.SIGKILL)
                running.killed = None
        return iter(())


def _typed(running: _Running, status: int) -> tuple[Status, str]:
    if running.overdue:
        return Status.TIMEOUT, "ran past its time limit; raise it with --time-limit"
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number == signal.SIGKILL and _oom_kills() > running.oom_kills:
            return Status.OOM, "killed by the system, which was out of memory"
        return Status.CRASHED, f"killed by {signal.Signals(number).name}"
    return Status.CRASHED, f"exited with status {os.WEXITSTATUS(status)} before it had finished"


def _oom_kills() -> int:
    """How many processes the kernel has killed for want of memory (Linux; elsewhere always 0)."""
    with contextlib.suppress(OSError), open("/proc/vmstat", encoding="ascii") as file:
        for line in file:
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0


def _parse(line: bytes) -> dict[str, Any]:
    """A message, or a typed end for bytes that are none (a plugin wrote into the channel)."""
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict):
        return message
    return {"end": Status.INVALID, "reason": "sent something that is not a message", "usage": {}}


def _kill(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)
