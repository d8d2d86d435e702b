"""What owning an arm costs, in tables for any format: in all, by part, by volume, and where the cheapest flips."""

from collections.abc import Mapping
from typing import Any

from harness.plugin import Number
from harness_reports.figures import linkable, ordered
from harness_reports.money import count, dollars, ranged
from harness_reports.tables import Named, Table, in_sentences

BY_VOLUME = "cost by queries a month"
MOST_VOLUMES = 7
"""Columns of the table by volume: so many points of the curves, evenly spaced, the ends among them."""


def owned(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Every arm's entry, as `ordered`."""
    found = {arm["arm"]: arm for arm in (report.get("ownership") or {}).get("arms") or ()}
    order = [arm["arm"] for arm in ordered(report) if arm["arm"] in found]
    return [found[name] for name in (*order, *(name for name in found if name not in order))]


def per_thousand(arm: Mapping[str, Any]) -> dict[str, float | None] | None:
    """US dollars for 1,000 queries: those for one have too many noughts to be read."""
    found = arm.get("per_query_usd")
    return found and {end: None if usd is None else 1000 * usd for end, usd in found.items()}


def tables(report: Mapping[str, Any], named: Named) -> list[Table]:
    """Those of which there is anything to show."""
    found = (_totals(report, named), curves(report, named), _flips(report, named), _assumptions(report))
    return [table for table in found if table[2]]


def _totals(report: Mapping[str, Any], named: Named) -> Table:
    arms = owned(report)
    parts = list(dict.fromkeys(part for arm in arms for part in arm.get("parts") or ()))
    rows = [
        [
            named(arm["arm"]),
            *(
                linkable(text, Number(arm["arm"], "ownership"))
                for text in (
                    *(ranged(arm.get(sum)) for sum in ("total_usd", "fixed_usd")),
                    ranged(per_thousand(arm)),
                    *(dollars((arm.get("parts") or {}).get(part)) for part in parts),
                )
            ),
        ]
        for arm in arms
    ]
    return "cost of ownership", ["arm", "in all", "fixed", "1,000 queries", *parts], rows


def curves(report: Mapping[str, Any], named: Named) -> Table:
    """What each arm costs at a few of the volumes that were worked out."""
    known = [arm for arm in owned(report) if arm.get("curve")]
    volumes = sorted({point[0] for arm in known for point in arm["curve"]})
    if len(volumes) > MOST_VOLUMES:
        volumes = [volumes[round(n * (len(volumes) - 1) / (MOST_VOLUMES - 1))] for n in range(MOST_VOLUMES)]
    rows = []
    for arm in known:
        at = {queries: {"value": usd, "low": low, "high": high} for queries, usd, low, high in arm["curve"]}
        told = [linkable(ranged(at.get(queries)), Number(arm["arm"], "ownership")) for queries in volumes]
        rows.append([named(arm["arm"]), *told])
    return BY_VOLUME, ["arm", *map(count, volumes)], rows


def _flips(report: Mapping[str, Any], named: Named) -> Table:
    rows = []
    for flip in (report.get("ownership") or {}).get("flips") or ():
        known = flip["low"] is not None and flip["high"] is not None
        between = f" [{count(flip['low'])}, {count(flip['high'])}]" if known else ""
        rows.append([f"{count(flip['queries_per_month'])}{between}", named(flip["cheaper"]), named(flip["than"])])
    return "where the cheapest arm flips", ["queries a month", "from here on cheaper", "than"], rows


def _assumptions(report: Mapping[str, Any]) -> Table:
    rows = [
        [each["name"].replace("_", " "), f"{_plain(each['value'])} {each['unit']}".strip(), str(each["source"])]
        for each in (report.get("ownership") or {}).get("assumptions") or ()
    ]
    return "what the cost of ownership assumes", ["assumption", "value", "source"], rows


def _plain(value: Any) -> str:
    return f"{value:,.10g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def notes(report: Mapping[str, Any], named: Named) -> list[str]:
    """Why the cost of an arm is not known."""
    told = in_sentences(report, named)
    reasons: dict[str, list[str]] = {}
    for arm in owned(report):
        if (arm.get("total_usd") or {}).get("value") is None:
            reasons.setdefault(told(arm.get("reason") or "no reason told"), []).append(named(arm["arm"]))
    return [f"cost of ownership not known, {', '.join(arms)}: {reason}" for reason, arms in reasons.items()]
