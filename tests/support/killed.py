"""Work in a process of its own that may be killed."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping

KILLED = "killed"


def fate(work: Callable[[], int], kill_after_s: float | None, ends: Mapping[int, str]) -> str:
    """`KILLED`, or what the exit code is called; KeyError for one without a name, such as an error's."""
    pid = os.fork()
    if not pid:
        code = 9
        try:
            code = work()
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(pid, signal.SIGKILL)
    _, status = os.waitpid(pid, 0)
    return KILLED if os.WIFSIGNALED(status) else ends[os.WEXITSTATUS(status)]
