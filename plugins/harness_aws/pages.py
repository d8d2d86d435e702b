"""Lists of Bedrock, to their end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

AT_ONCE = 100


def pages(ask: Callable[..., Mapping[str, Any]], key: str, part: str) -> Iterator[Mapping[str, Any]]:
    """Rows whose name holds `part`, or more of them; raises `KeyError` for an answer that is no list."""
    asked: dict[str, Any] = {"nameContains": part.rstrip("-"), "maxResults": AT_ONCE}
    while True:
        page = ask(**asked)
        yield from page[key]
        if not page.get("nextToken"):
            return
        asked["nextToken"] = page["nextToken"]
