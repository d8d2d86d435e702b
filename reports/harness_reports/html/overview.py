"""The table of arms with a bar for accuracy, and the figures of the choice at a glance."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from harness.naming import places
from harness.plugin import Links, Number
from harness_reports.deciding import deciding
from harness_reports.figures import NOTHING, Found, found, measured, milliseconds, ordered
from harness_reports.html.linking import address
from harness_reports.money import dollars, ranged
from harness_reports.owning import owned, per_thousand
from harness_reports.tables import Named


@dataclass(frozen=True, slots=True)
class Bar:
    """Accuracy and the ends of its interval, in percent of the bar."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Cell:
    text: str
    missing: int | None
    """The number of the reason why there is none."""
    url: str | None


@dataclass(frozen=True, slots=True)
class Row:
    place: int
    strategy: str
    where: str
    """What tells it from arms of the same strategy: backend, model or both."""
    mark: str
    """What it is to the decision: `choice`, `tie` or nothing."""
    bar: Bar | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Arms:
    titles: tuple[str, ...]
    rows: tuple[Row, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tile:
    title: str
    value: str
    detail: str
    url: str | None = None


def arms(report: Mapping[str, Any], links: Links) -> Arms:
    """Best first, every column in which anything was measured; what is missing points to its reason."""
    columns = measured(report)
    reasons = dict.fromkeys(reason for column in columns for reason in column.reasons if reason is not None)
    numbers = {reason: number for number, reason in enumerate(reasons, 1)}
    decision = report.get("decision") or {}
    where = places(arm["arm"] for arm in report["table"])
    rows = []
    for place, arm in enumerate(ordered(report)):
        name = arm["arm"]
        mark = "choice" if name == decision.get("choice") else "tie" if name in (decision.get("ties") or ()) else ""
        cells = tuple(
            Cell(
                text := column.cells[place],
                None if (reason := column.reasons[place]) is None else numbers[reason],
                address(text, links),
            )
            for column in columns
        )
        rows.append(
            Row(place + 1, str(arm["strategy"]), where[name], mark, _bar(found(arm["measurements"], "accuracy")), cells)
        )
    return Arms(tuple(column.title for column in columns), tuple(rows), tuple(reasons))


def _bar(accuracy: Found) -> Bar | None:
    value = accuracy["value"]
    if value is None:
        return None
    low, high = (value if accuracy[end] is None else accuracy[end] for end in ("low", "high"))
    return Bar(*(round(min(100.0, max(0.0, end)), 1) for end in (value, low, high)))


def tiles(report: Mapping[str, Any], named: Named, links: Links) -> list[Tile]:
    """What was measured of the choice, if there is one."""
    decision = deciding(report, named)
    arm = next((arm for arm in report["table"] if decision and arm["arm"] == decision.arm), None)
    if arm is None:
        return []
    of = arm["measurements"]
    accuracy, gap, latency = (found(of, name) for name in ("accuracy", "group_gap", "latency_p50_ms"))
    cost: Mapping[str, Any] = next((each for each in owned(report) if each["arm"] == arm["arm"]), {})
    made = [
        ("accuracy", _tile("accuracy", accuracy, lambda value: f"{value:.1f} %", lambda end: f"{end:.1f}")),
        ("ownership", _money("cost of ownership", cost.get("total_usd"))),
        ("ownership", _money("cost of 1,000 queries", per_thousand(cost))),
        (
            "group_gap",
            _tile("largest gap between groups", gap, lambda value: f"{value:.1f} points", lambda end: f"{end:.1f}"),
        ),
        (
            "latency_p50_ms",
            Tile("answer, median", f"{milliseconds(latency)} ms", "") if latency["value"] is not None else None,
        ),
    ]
    return [replace(tile, url=links(Number(arm["arm"], name))) for name, tile in made if tile is not None]


def _tile(title: str, of: Found, value: Any, end: Any) -> Tile | None:
    if of["value"] is None:
        return None
    known = of["low"] is not None and of["high"] is not None
    return Tile(title, value(of["value"]), f"{end(of['low'])} to {end(of['high'])}" if known else "")


def _money(title: str, of: Found | None) -> Tile | None:
    if of is None or ranged(of) == NOTHING:
        return None
    known = of["low"] is not None and of["high"] is not None
    return Tile(title, dollars(of["value"]), f"{dollars(of['low'])} to {dollars(of['high'])}" if known else "")
