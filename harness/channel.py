"""The worker's side of the pipe to the parent: JSON messages, one a line.

``{"phase": name}``, ``{"epoch": {...}}``, ``{"log": {name: value}}``, ``{"answers": set, "parts": [sha256, ...],
"n": rows}``, ``{"artifact": {...}}`` and one last ``{"end": status, "reason": ..., "usage": ...}``; that of a cell that
waits for a service has `poll_after_s`, the seconds after which it shall be run again.
"""

from __future__ import annotations

import json
import socket
from typing import Any

from harness.remote.redaction import Redactor

REASON_CHARS = 400
"""Of the line that says why a job did not end well."""


class Channel:
    """The worker's side of the pipe to the parent."""

    def __init__(self, end: socket.socket, redact: Redactor | None = None) -> None:
        self.end, self.redact = end, redact or Redactor()

    def tell(self, **message: Any) -> None:
        self.end.sendall(self.redact(json.dumps(message, allow_nan=False)).encode() + b"\n")


class Muted(Channel):
    """A trial's: what it notes is of no adaptation that is kept."""

    def tell(self, **message: Any) -> None:
        if "log" not in message:
            super().tell(**message)
