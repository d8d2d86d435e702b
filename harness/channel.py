"""The worker's side of the pipe to the parent: JSON messages, one a line.

``{"phase": name}``, ``{"epoch": {...}}``, ``{"log": {name: value}}``, ``{"answers": set, "parts": [sha256, ...],
"n": rows}``, ``{"artifact": {...}}`` and one last ``{"end": status, "reason": ..., "usage": ...}``.
"""

from __future__ import annotations

import json
import socket
from typing import Any


class Channel:
    """The worker's side of the pipe to the parent."""

    def __init__(self, end: socket.socket) -> None:
        self.end = end

    def tell(self, **message: Any) -> None:
        self.end.sendall(json.dumps(message, allow_nan=False).encode() + b"\n")


class Muted(Channel):
    """A trial's: what it notes is of no adaptation that is kept."""

    def tell(self, **message: Any) -> None:
        if "log" not in message:
            super().tell(**message)
