"""A process that has imported a framework once and forks a worker for every job it is sent.

``python -m harness.zygote FD DIES MODULE...`` imports the modules, then reads jobs from the Unix socket FD: one
JSON line with one descriptor attached, the worker's end of its own channel. It answers with JSON lines:
``{"ready": seconds}``, ``{"started": job, "pid": n}`` and ``{"ended": job, "status": wait status}``. End of the
socket means that the parent has gone: every worker is killed. No thread and no tensor operation runs before
a fork. A library that opens a GPU when it is imported spoils this: then every worker begins afresh instead.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import tempfile
import time
from typing import Any, NoReturn

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends; elsewhere the closed socket does it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    if sys.argv[2] == "dies":
        die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    began = time.perf_counter()
    for module in sys.argv[3:]:
        # A framework that is not there, or breaks on import, fails its cells with its own message.
        with contextlib.suppress(Exception):
            importlib.import_module(module)
    for module in ("harness.worker", "harness.codec", "harness.plugin", "harness.store"):
        importlib.import_module(module)
    gc.freeze()  # a worker's collector would copy every page of what was imported here
    _tell(control, {"ready": time.perf_counter() - began})
    serve(control)


def serve(control: socket.socket) -> None:
    workers: dict[int, int] = {}
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    selector = selectors.DefaultSelector()
    selector.register(control, selectors.EVENT_READ)
    selector.register(wake_read, selectors.EVENT_READ)
    buffer = b""
    descriptors: list[int] = []
    while True:
        for key, _ in selector.select():
            if key.fileobj is not control:
                os.read(wake_read, 4096)
                _reap(control, workers)
                continue
            data, received, _, _ = socket.recv_fds(control, 65536, 16)
            descriptors += received
            if not data:
                for pid in workers:
                    kill_group(pid)
                return
            buffer += data
            while b"\n" in buffer:
                line, buffer = buffer.split(b"\n", 1)
                job = json.loads(line)
                pid = _fork(control, job, descriptors.pop(0), descriptors)
                workers[pid] = job["id"]
                _tell(control, {"started": job["id"], "pid": pid})


def _fork(control: socket.socket, job: dict[str, Any], descriptor: int, others: list[int]) -> int:
    """Fork a worker for a job; `others` are channels of jobs that came with it, which it must not hold open."""
    pid = os.fork()
    if pid:
        os.close(descriptor)
        return pid
    status = 1
    try:
        os.setsid()
        die_with_parent()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        control.close()
        for other in others:
            os.close(other)
        if _is_spoiled():
            _begin_afresh(job, descriptor)
        from harness import worker

        status = worker.run(job, socket.socket(fileno=descriptor))
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(status)


def _is_spoiled() -> bool:
    """Whether something that was imported has opened a GPU: no fork of this process can use it."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


def _begin_afresh(job: dict[str, Any], descriptor: int) -> NoReturn:
    """The same worker in this process, with nothing imported; its job is in a file that has no name."""
    file = tempfile.TemporaryFile()  # noqa: SIM115
    file.write(json.dumps(job).encode())
    file.flush()
    for number in (descriptor, file.fileno()):
        os.set_inheritable(number, True)
    os.execv(sys.executable, [sys.executable, "-P", "-m", "harness.worker", str(descriptor), str(file.fileno())])


def _reap(control: socket.socket, workers: dict[int, int]) -> None:
    while workers:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if pid == 0:
            return
        if pid in workers:
            kill_group(pid)
            _tell(control, {"ended": workers.pop(pid), "status": status})


def kill_group(pid: int) -> None:
    """Kill a worker and whatever it started (its process group outlives it)."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _tell(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        control.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
