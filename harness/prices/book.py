"""What is known of prices: each with its date and source, and the one that holds for an item."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from harness.errors import UsageError, unknown

STALE_DAYS = 180
"""Prices that nobody has looked at for longer are told as old."""
HOUR = "hour"
VCPU = "vCPU"
"""The item whose hour is one virtual CPU's."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for one unit of an item, on demand."""

    provider: str
    region: str
    item: str
    """An accelerator's name, `vCPU`, or a model's id; its hour is that of a deployment of it."""
    unit: str
    """`hour`, `1M input tokens`, `1M output tokens`, `1M training tokens`, `1M embedding tokens`."""
    usd: float
    valid_from: str
    """ISO date since when it is known to hold."""
    source: str
    machine: str = ""
    """What is hired to have the item, where it is a part of something."""
    checked: str | None = None
    """ISO date on which somebody last read it at its source."""
    own: bool = False
    """Given by the user, whose prices beat those that came with plugins."""

    @property
    def seen(self) -> date:
        return date.fromisoformat(self.checked or self.valid_from)

    @property
    def told(self) -> str:
        of = f" ({self.machine})" if self.machine else ""
        return f"{self.provider} {self.region} {self.item}{of} at {self.usd:g} USD per {self.unit} of {self.seen}"

    def warning(self, today: date) -> str | None:
        """What to say of a price that nobody has looked at for long."""
        days = (today - self.seen).days
        if days <= STALE_DAYS:
            return None
        return f"{self.told} was last checked {days} days ago; give newer ones with --prices"


@dataclass(frozen=True, slots=True)
class Accelerator:
    """What its maker says it can do, and which share of that training is taken to reach: an assumption, told as one."""

    name: str
    peak_flops: float
    """Per second, dense matrices in half precision, from the maker's data sheet."""
    memory_bytes: float
    utilisation_low: float
    utilisation: float
    utilisation_high: float
    source: str
    also: tuple[str, ...] = ()
    """Other names that drivers and price lists have for it."""

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "also": list(self.also)}

    def hours(self, flops: float, utilisation: float | None = None) -> float:
        return flops / (self.peak_flops * (utilisation or self.utilisation)) / 3600


@dataclass(frozen=True, slots=True)
class PriceBook:
    prices: tuple[Price, ...] = ()
    accelerators: tuple[Accelerator, ...] = ()

    def known(self, name: str) -> Accelerator | None:
        """By its name, a part of it such as `H100`, or another name; None for one that is not known."""
        wanted = _plain(name)
        exact = [each for each in self.accelerators if wanted in map(_plain, (each.name, *each.also))]
        part = [each for each in self.accelerators if wanted in _plain(each.name).split()]
        return exact[0] if exact else part[0] if len(part) == 1 else None

    def accelerator(self, name: str) -> Accelerator:
        """The same; raises `UsageError` for one that is not known."""
        found = self.known(name)
        if found is None:
            raise UsageError(unknown("accelerator", name, (each.name for each in self.accelerators)))
        return found

    def price(self, item: str, unit: str, provider: str | None = None) -> Price | None:
        """The user's own before others, then the one checked last, then the lowest; None where none is known."""
        found = [
            each
            for each in self.prices
            if _plain(each.item) == _plain(item)
            and each.unit == unit
            and (provider is None or _plain(each.provider) == _plain(provider))
        ]
        return min(found, key=lambda each: (not each.own, -each.seen.toordinal(), each.usd), default=None)

    def providers(self) -> Iterable[str]:
        return sorted({each.provider for each in self.prices})


def _plain(name: str) -> str:
    return " ".join(name.lower().replace("-", " ").split())
