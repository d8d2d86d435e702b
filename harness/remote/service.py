"""What a backend's spec tells of the service that it asks, read without its library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from harness.remote.endpoint import Endpoint
from harness.types import ModelCard


@dataclass(frozen=True, slots=True)
class Notice:
    """What a service's maker has said of it, in one sentence."""

    told: str
    ends: date | None = None
    """The day on which that ends of which it speaks."""


@dataclass(frozen=True, slots=True)
class Service:
    endpoint: Callable[[], Endpoint]
    """Where texts go; raises `UsageError` for what may not be used."""
    secrets: tuple[str, ...]
    """Environment variables whose values are never kept or shown."""
    why_not: Callable[[Endpoint], str | None]
    """Why it cannot be asked, such as a missing key; None: it can."""
    tuned: Callable[[str], str]
    """Model id -> the item under which prices have what was trained from it."""
    notices: Callable[[ModelCard, Endpoint, bool, date], Sequence[Notice]]
    """What its maker has said of the model's or, where it trains, of the training's end; on that day."""
    jobs: str = ""
    """`module:function` that returns its `orders.Jobs`; empty where it trains nothing."""
    deployments: str = ""
    """The same of its `hosting.Deployments`, where what was trained answers only while it is deployed."""
