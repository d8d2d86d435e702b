"""Prices that were used, and what the run used against what was estimated, in tables for any format."""

from collections.abc import Mapping
from typing import Any

from harness.plugin import Number
from harness_reports.figures import NOTHING, linkable
from harness_reports.money import dollars, times
from harness_reports.tables import Table

QUANTITIES = (("wall_s", "time"), ("tokens", "tokens"), ("flops", "FLOPs"), ("usd", "money"))
MINUTE, HOUR = 60, 3600
LARGE = 10_000


def tables(report: Mapping[str, Any]) -> list[Table]:
    """Those of which there is anything to show."""
    return [table for table in (_budget(report), _prices(report)) if table[2]]


def _budget(report: Mapping[str, Any]) -> Table:
    budget = report.get("budget") or {}
    rows = []
    for name, title in QUANTITIES:
        estimated, actual, ratio = ((budget.get(of) or {}).get(name) for of in ("estimated", "actual", "ratio"))
        if estimated is not None or actual is not None:
            rows.append(
                [
                    title,
                    _quantity(name, estimated),
                    linkable(_quantity(name, actual), Number(measure="budget")),
                    times(ratio),
                ]
            )
    return "estimated and used", ["what", "estimated", "used", "ratio"], rows


def _quantity(name: str, value: float | None) -> str:
    if value is None:
        return NOTHING
    if name == "usd":
        return dollars(value)
    if name == "wall_s":
        return (
            f"{value / HOUR:.1f} h"
            if value >= HOUR
            else f"{value / MINUTE:.1f} min"
            if value >= MINUTE
            else f"{value:.1f} s"
        )
    return f"{value:.3g}" if value >= LARGE * LARGE else f"{value:,.0f}"


def _prices(report: Mapping[str, Any]) -> Table:
    rows = [
        [
            " ".join(filter(None, (price["provider"], price["region"]))),
            str(price["item"]),
            f"${price['usd']:,.10g} per {price['unit']}",
            str(price["valid_from"]),
            str(price["source"]),
        ]
        for price in (report.get("prices") or {}).get("used") or ()
    ]
    return "prices", ["provider", "what", "price", "valid from", "source"], rows


def notes(report: Mapping[str, Any]) -> list[str]:
    """What GPU hours are of, as of when prices hold, and what is to be doubted about them."""
    prices = report.get("prices") or {}
    said = []
    if gpu := prices.get("gpu"):
        share = f"{100 * gpu['utilisation']:.0f} %"
        if gpu.get("utilisation_low") is not None and gpu.get("utilisation_high") is not None:
            share += f" [{100 * gpu['utilisation_low']:.0f}, {100 * gpu['utilisation_high']:.0f}]"
        peak = f"{gpu['peak_flops'] / 1e12:.3g} TFLOP/s"
        said.append(f"GPU hours are of one {gpu['name']} at {share} of {peak}, or as long as layers wait to be started")
    if prices.get("as_of"):
        said.append(f"prices as of {prices['as_of']}")
    return [*said, *map(str, prices.get("warnings") or ())]
