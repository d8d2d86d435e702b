"""`harness decide|prices`: the decision alone, and the prices that it goes by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import click

from harness.cli.inventory import json_option, show
from harness.cli.options import margin_option, prices_option, store_option, terms_options
from harness.cli.stored import existing
from harness.errors import UsageError
from harness.prices import Price, read_book
from harness.registry import load_registry
from harness.request import Asked
from harness.safetext import one_line


@click.command()
@click.argument("run", required=False)
@terms_options
@margin_option
@json_option
@store_option
def decide(
    run: str | None,
    criteria: str | None,
    prices: Path | None,
    gpu: str | None,
    margin: float,
    as_json: bool,
    store: Path,
) -> None:
    """Decide again from the store alone; on the run's own terms it must come out as it did then."""
    from harness.report import build_report

    report = build_report(existing(store), load_registry(), run, margin, Asked(criteria, prices, gpu))
    decision = report["decision"]
    if decision is None:
        raise UsageError(f"run {report['run']['id']} has no finished arm to decide about")
    if as_json:
        click.echo(json.dumps({**decision, "ownership": report["ownership"]}, indent=2, ensure_ascii=False))
        return
    for line in _lines(decision, report["ownership"]):
        click.echo(one_line(line) if line else "")


def _lines(decision: Mapping[str, Any], ownership: Mapping[str, Any]) -> Iterable[str]:
    yield from decision["summary"]
    told = {
        "why": decision["because"],
        "mind": decision["caveats"],
        "what would change this": [each["told"] for each in decision["would_change_if"]],
        "money": [ownership["told"]],
        "may be chosen for what they cost": decision["front"],
    }
    for title, lines in told.items():
        if lines:
            yield ""
            yield f"{title}:"
            yield from (f"  - {line}" for line in lines)
    yield ""
    review = decision["review_by"]
    yield f"criteria: {decision['declared']}; look again by {review['date']}: {review['because']}"
    replayed = {None: "not decided before", True: "the same as when the run ended", False: "not as when the run ended"}
    yield f"decision {decision['sha256'][:12]}: {replayed[decision['replayed']]}"


@click.command()
@prices_option
@json_option
def prices(prices: Path | None, as_json: bool) -> None:
    """Every price that is known, with its date and source."""
    today = date.today()
    book = read_book(load_registry().prices, prices)
    ordered = sorted(book.prices, key=lambda price: (price.item, price.unit, price.usd))
    if as_json:
        show([{**asdict(price), "old": price.warning(today) is not None} for price in ordered], True)
        return
    show((_row(price, today) for price in ordered), False)


def _row(price: Price, today: date) -> dict[str, Any]:
    return {
        "item": price.item,
        "unit": price.unit,
        "USD": f"{price.usd:g}",
        "from": " ".join(filter(None, (price.provider, price.region if price.region != "any" else "", price.machine))),
        "seen": f"{price.seen}{' (old)' if price.warning(today) else ''}",
        "yours": "yes" if price.own else "",
    }


commands: tuple[click.Command, ...] = (decide, prices)
