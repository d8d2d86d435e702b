"""Prism, an outside validator of requests and answers by a service's contract.

`HARNESS_SPECS` names the folder with the contracts, `HARNESS_PRISM` the program if it is on no path.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import REPOSITORY

PRISM = os.environ.get("HARNESS_PRISM") or shutil.which("prism")
SPECS = Path(os.environ.get("HARNESS_SPECS", REPOSITORY.parent / "shared" / "specs"))
START_S = 60


@contextmanager
def prism(log: Path, mode: str, contract: str, *arguments: str) -> Iterator[str]:
    """The URL of Prism; what it says goes to the log."""
    file = SPECS / contract
    if PRISM is None:
        pytest.skip("no prism here: npm install @stoplight/prism-cli@5.14.2 and name it by HARNESS_PRISM")
    if not file.is_file():
        pytest.skip(f"no contract here: HARNESS_SPECS names the folder with {contract}")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("wb") as out:
        command = [PRISM, mode, str(file), *arguments, "--errors", "-h", "127.0.0.1", "-p", str(port)]
        process = subprocess.Popen(command, stdout=out, stderr=out)
    try:
        until = time.monotonic() + START_S
        while time.monotonic() < until and process.poll() is None and b"Prism is listening" not in log.read_bytes():
            time.sleep(0.1)
        assert process.poll() is None, log.read_text()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()
