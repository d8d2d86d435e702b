"""The prices that one report goes by, and what devices, CPUs and GPUs cost by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from harness.errors import UsageError, unknown
from harness.machine import Machine
from harness.prices.book import HOUR, VCPU, Accelerator, Pace, Price, PriceBook

GPU = "NVIDIA L4"
"""Onto which training is projected where none ran, unless another is named."""


ON_GPU = "cuda"
"""The kind of device whose hours are a GPU's; any other's are those of CPU cores."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """One accelerator, and the book that prices it and everything else."""

    gpu: Accelerator
    book: PriceBook
    provider: str | None = None
    """Whose prices, where that is asked for."""

    @property
    def gpu_hour(self) -> Price | None:
        return self.book.price(self.gpu.name, HOUR, self.provider)

    @property
    def cpu_hour(self) -> Price | None:
        """Of one vCPU."""
        return self.book.price(VCPU, HOUR, self.provider) or self.book.price(VCPU, HOUR)

    def projected_usd(self, flops: float, layers: int = 0, pace: Pace = Pace.LIKELY) -> float | None:
        """Of so many FLOPs in so many layers on the GPU; None where its price is not known."""
        price = self.gpu_hour
        return None if price is None else self.gpu.hours(flops, layers, pace) * price.usd

    def cpu_usd(self, seconds: float) -> float | None:
        """Of so many seconds of one CPU core; None where its price is not known."""
        price = self.cpu_hour
        return None if price is None else seconds / 3600 * price.usd

    def gpu_usd(self, seconds: float, gpu: str | None) -> float | None:
        """Of so many seconds on the GPU that ran; None where its name or price is not known."""
        known = self.book.known(gpu) if gpu else None
        price = self.book.price(known.name, HOUR, self.provider) if known else None
        return None if price is None else seconds / 3600 * price.usd

    def machine_usd(self, wall_s: float, device: str, machine: Machine) -> float | None:
        """Of so long on a machine: its GPU's hour, or that of its cores; None where the price is not known."""
        return self.gpu_usd(wall_s, machine.gpu) if device == ON_GPU else self.cpu_usd(wall_s * machine.cores)

    def warnings(self, today: date) -> list[str]:
        """What to say of the hours' prices that are old or missing."""
        hours = {self.gpu.name: self.gpu_hour, VCPU: self.cpu_hour}
        missing = [
            f"no price of an hour of {name} is known; give one with --prices" for name in hours if not hours[name]
        ]
        return missing + [told for price in hours.values() if price and (told := price.warning(today))]

    def to_json(self) -> dict[str, Any]:
        return {
            "gpu": self.gpu.name,
            "provider": self.provider,
            "prices": [asdict(price) for price in self.book.prices],
            "accelerators": [each.to_json() for each in self.book.accelerators],
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Tariff:
        accelerators = (Accelerator(**{**each, "also": tuple(each["also"])}) for each in found["accelerators"])
        book = PriceBook(tuple(Price(**each) for each in found["prices"]), tuple(accelerators))
        return cls(book.accelerator(found["gpu"]), book, found["provider"])


def tariff(book: PriceBook, named: str | None = None) -> Tariff | None:
    """`[PROVIDER/]GPU`, or the default one; None where no accelerator is known at all.

    Raises `UsageError` for a provider or an accelerator that is not known.
    """
    if not book.accelerators and named is None:
        return None
    provider, _, gpu = (named or GPU).rpartition("/")
    if provider and provider not in book.providers():
        raise UsageError(unknown("provider", provider, book.providers()))
    known: Sequence[str] = [each.name for each in book.accelerators]
    if named is None and GPU not in known:
        gpu = known[0]
    return Tariff(book.accelerator(gpu), book, provider or None)
