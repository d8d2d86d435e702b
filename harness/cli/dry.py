"""`harness run --dry-run`: the plan with an estimate of time, memory, tokens and money for each cell."""

from __future__ import annotations

from typing import Any

import click

from harness.cli.inventory import show
from harness.registry import Registry
from harness.request import Request
from harness.safetext import plain

TITLES = {
    "estimated_s": "~s",
    "estimated_tokens": "~tokens",
    "estimated_flops": "~FLOPs",
    "estimated_ram_bytes": "~RAM",
    "estimated_usd": "~USD",
}


def show_plan(request: Request, registry: Registry, as_json: bool) -> None:
    from harness import api
    from harness.machine import Machine
    from harness.spending import leaving

    made = api.plan(request, registry)
    tariff, machine = made.terms.tariff, Machine.here()
    rows: list[dict[str, Any]] = []
    for planned in made.cells:
        cell, expected = planned.cell, planned.cell.estimate
        seconds = expected.wall_s if expected else None
        held_s, device = planned.here
        usd = None if held_s is None or tariff is None else tariff.machine_usd(held_s, device, machine)
        if planned.paid is not None:
            usd = None if usd is None or planned.paid.usd is None else usd + planned.paid.usd
        rows.append(
            {
                "arm": planned.name,
                "seed": cell.seed,
                "status": cell.status,
                "estimated_s": None if seconds is None else round(seconds, 1),
                "estimated_tokens": expected.tokens if expected else None,
                "estimated_flops": expected.flops if expected else None,
                "estimated_ram_bytes": expected.peak_ram_bytes if expected else None,
                "estimated_usd": usd,
                "endpoint": planned.paid.endpoint if planned.paid else None,
                "reason": cell.reason,
            }
        )
    if as_json:
        show(rows, True)
        return
    show(({TITLES.get(name, name): _short(value) for name, value in row.items()} for row in rows), False)
    for name, why in made.unasked.items():
        click.echo(f"not asked: {name}: {why}")
    click.echo(f"~ estimated from sizes, nothing was loaded; {len(rows)} cells, about {_total(rows)} in all")
    for sent in leaving(made):
        for line in (sent.told, *(f"price: {price}" for price in sent.prices), *sent.notices):
            click.echo(plain(line))
    for line in tariff.warnings(made.terms.as_of) if tariff else ():
        click.echo(line)


def _total(rows: list[dict[str, Any]]) -> str:
    minutes = sum(row["estimated_s"] or 0.0 for row in rows) / 60
    tokens = sum(row["estimated_tokens"] or 0 for row in rows)
    priced = [row["estimated_usd"] for row in rows if row["estimated_s"] is not None]
    usd = "at an unknown price" if None in priced else f"{sum(priced):.2g} USD of this machine's hours"
    return f"{minutes:.0f} minutes, {tokens:,} tokens, {usd}"


def _short(value: Any) -> Any:
    """Large numbers as 1.2e+09, small ones as 0.0012: their magnitude is all that an estimate tells."""
    if isinstance(value, float) and 0 < value < 1:
        return f"{value:.2g}"
    return f"{value:.2g}" if isinstance(value, int | float) and value >= 10_000 else value
