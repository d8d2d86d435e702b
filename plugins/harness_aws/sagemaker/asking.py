"""How an endpoint is asked once: what its parts share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any

Ask = Callable[[Mapping[str, Any]], Awaitable[tuple[Any, str | None]]]
"""`endpoint` and `body` -> the reply, and the request's id."""
Faults = Callable[[], AbstractContextManager[None]]
