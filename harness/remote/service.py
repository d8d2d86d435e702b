"""What a backend's spec tells of the service that it asks, read without its library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from harness.remote.endpoint import Endpoint
from harness.types import ModelCard


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be known of a service before it is asked, in one sentence."""

    told: str
    ends: date | None = None
    """The day on which that ends of which it speaks."""


WARNED_DAYS = 180
"""So long before its end a model's is told."""


def ending(model: str, ends: date, today: date) -> Notice | None:
    days = (ends - today).days
    if days > WARNED_DAYS:
        return None
    return Notice(f"{model} ends on {ends}, {f'in {days} days' if days > 0 else 'which has passed'}", ends)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedSpec:
    """What a plugin tells of anything of a service beside its models, read without its library."""

    name: str
    summary: str
    load: str
    """`module:function` that returns what does it."""
    endpoint: Callable[[], Endpoint]
    """Where questions, documents and files go; raises `UsageError` for what may not be used."""
    secrets: tuple[str, ...]
    """Environment variables whose values are never kept or shown."""
    why_not: Callable[[Endpoint], str | None]
    """Why it cannot be used, such as a missing key; None: it can."""
    requires: tuple[str, ...] = ()
    extra: str = ""
    """As of `contracts.BackendSpec`."""


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
    """What its maker has said of the model's end or, where it trains, of the training's; on that day."""
    jobs: str = ""
    """`module:function` that returns its `orders.Jobs`; empty where it trains nothing."""
    deployments: str = ""
    """The same of its `hosting.Deployments`, where what was trained answers only while it is deployed."""
    rented: Callable[[str], str | None] = lambda model: None
    """Model id -> the item whose hour is the price of what is rented for each cell that asks it; None: nothing is.

    Tokens of what is rented cost nothing more.
    """
