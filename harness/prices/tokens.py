"""What services charge for: tokens by their own figures, hours by the clock, at the price of each for what answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from harness.prices.book import HOUR, Price, PriceBook
from harness.remote.hosting import HOSTING
from harness.types import Usage

if TYPE_CHECKING:
    from harness.evidence import CellEvidence, Evidence

MILLION = 1e6
TRAINING = "training tokens"


def token_price(book: PriceBook, model: str, item: str, sort: str) -> Price | None:
    """Of a million, or of an hour; training is priced by the model that it starts from, all else by what answers."""
    return book.price(model if sort == TRAINING else item, HOUR if sort == HOSTING else f"1M {sort}")


def rate(price: Price) -> float:
    """US dollars for a million tokens or seconds."""
    return price.usd * MILLION / 3600 if price.unit == HOUR else price.usd


def unpriced(sort: str, model: str, item: str) -> str:
    """What to call a price that is not known."""
    if sort == HOSTING:
        return f"an {HOUR} of {item}"
    return f"1M {sort} of {model if sort == TRAINING else item}"


def tokens_usd(evidence: Evidence, used: Iterable[Usage]) -> float | None:
    """None where the service told no tokens, or a price is not known."""
    if evidence.tariff is None or evidence.served is None or evidence.model is None:
        return None
    usd = 0.0
    for usage in used:
        if usage.billed is None:
            return None
        for sort, count in usage.billed.items():
            if sort != HOSTING and evidence.served.get("rented"):
                continue
            price = token_price(evidence.tariff.book, evidence.model.id, evidence.served["item"], sort)
            if price is None:
                return None
            usd += rate(price) * count / MILLION
    return usd


def adapting_tokens_usd(evidence: Evidence, cell: CellEvidence) -> float | None:
    """What the service was paid before the first question was asked of the whole."""
    return tokens_usd(evidence, [cell.usage[name] for name in ("load", "trials", "adapt") if name in cell.usage])


def how_charged(evidence: Evidence) -> str:
    assert evidence.served is not None
    prices: list[str] = evidence.served["prices"]
    if not prices:
        return "no price of its tokens is known"
    figures = "from its start to its end" if evidence.served.get("rented") else "tokens as the service told them"
    return f"{figures}, {'; '.join(prices)}"


def at_rates(billed: Mapping[str, int] | None, rates: Mapping[str, float]) -> float | None:
    if billed is None or any(count and sort not in rates for sort, count in billed.items()):
        return None
    return sum(rates[sort] * count / MILLION for sort, count in billed.items() if count)
