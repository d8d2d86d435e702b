"""The server: on this machine's loopback address alone, until Ctrl-C."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from harness.errors import HarnessError
from harness.view.app import viewer
from harness.view.links import run_url
from harness.view.overview import accuracies, tables
from harness.view.runs import Runs

HOST = "127.0.0.1"


def serve(store: Path, run: str | None, port: int, ready: Callable[[str], None]) -> None:
    """Serve the runs of a store; `ready` is told the address of one of them, the latest if none is named.

    Port 0 is any that is free. Raises `HarnessError` for a port that cannot be had, `UsageError` for an unknown run.
    """
    runs = Runs(store)
    opened = runs.open(run)
    if opened.sets:  # so that no page has to wait for it
        accuracies(opened, None)
        tables(opened, opened.set(opened.sets[0]), None)
    with _bound(port) as listening:
        chosen = listening.getsockname()[1]
        config = uvicorn.Config(
            viewer(runs), log_level="warning", access_log=False, server_header=False, timeout_graceful_shutdown=1
        )
        ready(f"http://{HOST}:{chosen}{run_url(opened.stored.id)}")
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])


def _bound(port: int) -> socket.socket:
    """Listening already, so that a browser may connect as soon as the address is told."""
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        raise HarnessError(f"port {port} on {HOST}: {error.strerror}; choose another --port") from None
