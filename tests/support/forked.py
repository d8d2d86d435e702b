"""Workers and commands as processes forked of the tests' own: they have what it has imported, patched and been told."""

from __future__ import annotations

import contextlib
import faulthandler
import gc
import importlib
import os
import runpy
import selectors
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import harness.execute
from harness.cli.main import main
from harness.processes import LocalProcesses, _Zygote
from harness.zygote import die_with_parent, serve

WAIT_S = 60.0


class Child:
    """As much of `subprocess.Popen` as is asked of it here; `work` runs in the child and gives its exit code."""

    def __init__(self, work: Callable[[], int]) -> None:
        self.returncode: int | None = None
        self.pid = os.fork()
        if not self.pid:
            _end_with(work)

    def poll(self) -> int | None:
        if self.returncode is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            self.returncode = os.waitstatus_to_exitcode(status) if pid else None
        return self.returncode

    def wait(self, timeout: float = WAIT_S) -> int:
        until = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > until:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
            time.sleep(0.002)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _end_with(work: Callable[[], int]) -> NoReturn:
    code = 1
    try:
        code = work()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


HEAVY = ("torch", "sentence_transformers")
"""That retrieval by words wants imported and does not use."""


class Forked(LocalProcesses):
    """One zygote for all jobs; what they want imported is imported here, once for all tests of this process."""

    def _zygote(self, preload: tuple[str, ...]) -> _Zygote:
        for module in preload:
            if module not in HEAVY:
                importlib.import_module(module)
        if () not in self._zygotes:
            ours, theirs = socket.socketpair()

            def work() -> int:
                os.setsid()
                die_with_parent()
                faulthandler.disable()  # pytest's own: a worker may crash
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                ours.close()
                gc.freeze()  # else each worker's collector would copy every page of what was imported
                with contextlib.suppress(ConnectionResetError):  # the run has ended, and left what it was told unread
                    serve(theirs)
                return 0

            child: Any = Child(work)
            theirs.close()
            self._zygotes[()] = _Zygote(child, ours)
            self._selector.register(ours, selectors.EVENT_READ, self._zygotes[()])
        return self._zygotes[()]


class Command(Child):
    """`harness ARGUMENTS` as a shell would start it, but for what it need not import; what it says is kept."""

    def __init__(self, *arguments: object, stdin: int | None = None) -> None:
        self._said = tempfile.TemporaryFile()  # noqa: SIM115

        def work() -> int:
            with open(os.devnull, "r+b", buffering=0) as nothing:
                for descriptor, file in enumerate((nothing.fileno() if stdin is None else stdin, nothing.fileno())):
                    os.dup2(file, descriptor)
            os.dup2(self._said.fileno(), 2)
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(n, mode, closefd=False) for n, mode in enumerate("rww"))
            signal.signal(signal.SIGINT, signal.default_int_handler)
            harness.execute.LocalProcesses = Forked  # type: ignore[misc]
            sys.argv = ["harness", *map(str, arguments)]
            code: Any = 0
            try:
                main()
            except SystemExit as ended:
                code = ended.code
            with contextlib.suppress(OSError):
                sys.stderr.flush()
            return int(code or 0)

        super().__init__(work)

    def told(self) -> str:
        """Its standard error, once it has ended."""
        self.wait()
        self._said.seek(0)
        return self._said.read().decode()


def program(command: Sequence[str], environment: Mapping[str, str]) -> Child:
    """A shell's `... exec python -m MODULE ARGUMENTS` as a process group of its own, with that environment alone."""
    module, *arguments = shlex.split(command[-1].partition(" -m ")[2])

    def work() -> int:
        os.setsid()
        os.environ.clear()
        os.environ.update(environment)
        nothing = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            os.dup2(nothing, descriptor)
        for name in ("execute", "elsewhere.there"):
            importlib.import_module(f"harness.{name}").LocalProcesses = Forked  # type: ignore[attr-defined]
        sys.argv = [module, *(os.path.expandvars(each) for each in arguments)]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        return 0

    return Child(work)
