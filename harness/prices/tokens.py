"""What services charge for: tokens by their own figures, at the price of each sort for the model that answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from harness.prices.book import Price, PriceBook
from harness.types import Usage

if TYPE_CHECKING:
    from harness.evidence import CellEvidence, Evidence

MILLION = 1e6
TRAINING = "training tokens"


def token_price(book: PriceBook, model: str, item: str, sort: str) -> Price | None:
    """Of a million; training is priced by the model that it starts from, all else by what answers."""
    return book.price(model if sort == TRAINING else item, f"1M {sort}")


def tokens_usd(evidence: Evidence, used: Iterable[Usage]) -> float | None:
    """None where the service told no tokens, or a price is not known."""
    if evidence.tariff is None or evidence.served is None or evidence.model is None:
        return None
    usd = 0.0
    for usage in used:
        if usage.billed is None:
            return None
        for sort, count in usage.billed.items():
            price = token_price(evidence.tariff.book, evidence.model.id, evidence.served["item"], sort)
            if price is None:
                return None
            usd += price.usd * count / MILLION
    return usd


def adapting_tokens_usd(evidence: Evidence, cell: CellEvidence) -> float | None:
    """What the service was paid before the first question was asked of the whole."""
    return tokens_usd(evidence, [cell.usage[name] for name in ("load", "trials", "adapt") if name in cell.usage])


def how_charged(evidence: Evidence) -> str:
    assert evidence.served is not None
    prices: list[str] = evidence.served["prices"]
    return f"tokens as the service told them, {'; '.join(prices)}" if prices else "no price of its tokens is known"


def at_rates(billed: Mapping[str, int] | None, rates: Mapping[str, float]) -> float | None:
    if billed is None or any(count and sort not in rates for sort, count in billed.items()):
        return None
    return sum(rates[sort] * count / MILLION for sort, count in billed.items() if count)
