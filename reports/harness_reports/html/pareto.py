"""Accuracy, cost and bias of every arm in one chart."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness_reports.deciding import deciding
from harness_reports.figures import NOTHING, Found, found, ordered, percent
from harness_reports.html.arms import numbered
from harness_reports.html.inert import label
from harness_reports.html.placing import Placed, placed
from harness_reports.html.svg import drawn
from harness_reports.html.vega import ACCENT, COLOURS, INK, MUTED, NARROW, WIDE, Figure, Key, Spec, alone
from harness_reports.money import dollars
from harness_reports.owning import owned
from harness_reports.tables import Named

MEDIUM, LARGE = 2.0, 5.0
"""Points of bias from which a mark is another one."""
BINS = ("under 2 points", "2 to 5 points", "5 points or more", "not measured")
BIN_COLOURS: tuple[int | None, ...] = (0, 4, 1, None)
BIN_SHAPES = ("circle", "square", "triangle-up", "diamond")
BIN_SIZES = (70, 100, 130, 60)
MOST_NAMED = {WIDE: 12, NARROW: 5}
"""With more arms marks are labelled with their number in the table alone."""
LETTERS = {WIDE: 26, NARROW: 16}
LEFT, BOTTOM = 52, 46
"""px about the axes, roughly: labels are placed by them."""


@dataclass(frozen=True, slots=True)
class Costs:
    title: str
    of: Mapping[str, Found]
    """Arm -> measurement, where there is one above 0: the axis is logarithmic."""
    form: Callable[[float | None], str]


@dataclass(frozen=True, slots=True)
class _Point:
    arm: str
    label: str
    x: float
    ends: tuple[float, float]
    y: float
    low: float
    high: float
    bin: int
    chosen: bool


def figure(report: Mapping[str, Any], named: Named) -> Figure | None:
    """None where no arm has both an accuracy and a cost."""
    costs, bias = _costs(report), _bias(report)
    points = _points(report, named, costs, bias)
    if not points:
        return None
    table = _table(report, named, costs, bias)
    missing = sum(found(arm["measurements"], "accuracy")["value"] is not None for arm in report["table"]) - len(points)
    title = "Accuracy, cost and bias"
    what = f"Accuracy on the test questions against {costs.title}, on a logarithmic axis, of {len(points)} arms"
    caption = (
        f"Up and to the left is better: accuracy with its 95 % interval against {costs.title} (logarithmic axis). Colour, "
        f"shape and size tell bias: {bias.title}."
    )
    if _front(report):
        caption += " The line joins the arms that nothing cheaper is shown to equal."
    if any(point.chosen for point in points):
        caption += " The ring marks the choice."
    if missing > 0:
        caption += (
            f" {missing} {'arm has' if missing == 1 else 'arms have'} no cost above 0 and stand in the table alone."
        )
    if len(points) > MOST_NAMED[WIDE]:
        caption += " Numbers are those of the table of arms."
    wide, narrow = (
        drawn(_spec(report, points, costs, width), f"pareto-{width}", title, f"{what}. Its figures follow it.")
        for width in (WIDE, NARROW)
    )
    seen = {point.bin for point in points}
    keys = tuple(
        Key(f"{bias.title.split(',')[0]} {name}", BIN_COLOURS[bin], BIN_SHAPES[bin])
        for bin, name in enumerate(BINS)
        if bin in seen
    )
    return Figure("pareto", title, caption, wide, narrow, keys, table)


def _costs(report: Mapping[str, Any]) -> Costs:
    """Of ownership where it is known, else what a thousand questions, training or its time costs, by what most arms have."""

    def measured(name: str) -> dict[str, Found]:
        of = {arm["arm"]: found(arm["measurements"], name) for arm in report["table"]}
        return {arm: each for arm, each in of.items() if (each["value"] or 0) > 0}

    total = {arm["arm"]: arm.get("total_usd") or {} for arm in owned(report)}
    candidates = (
        Costs(
            "cost of ownership in USD",
            {arm: each for arm, each in total.items() if (each.get("value") or 0) > 0},
            dollars,
        ),
        Costs("USD per 1,000 questions", measured("usd_per_1k"), dollars),
        Costs("cost of training in USD", measured("train_usd"), dollars),
        Costs("seconds of training", measured("train_s"), lambda value: NOTHING if value is None else f"{value:.3g} s"),
    )
    return max(candidates, key=lambda costs: (len(costs.of) > 1, len(costs.of) > 0))


def _bias(report: Mapping[str, Any]) -> Costs:
    """The gap between groups, else what adapting added to it; where neither is measured, the first."""
    gap, delta = (
        {arm["arm"]: each for arm in report["table"] if (each := found(arm["measurements"], name))["value"] is not None}
        for name in ("group_gap", "bias_delta")
    )
    if delta and not gap:
        return Costs("bias delta, the group gap less that of the model unadapted", delta, _points_told)
    return Costs("group gap, the largest difference in accuracy between groups", gap, _points_told)


def _points_told(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"


def _front(report: Mapping[str, Any]) -> Sequence[str]:
    return (report.get("decision") or {}).get("front") or ()


def _points(report: Mapping[str, Any], named: Named, costs: Costs, bias: Costs) -> list[_Point]:
    names, decision = numbered(report, named), deciding(report, named)
    points = []
    for arm in ordered(report):
        accuracy, cost = found(arm["measurements"], "accuracy"), costs.of.get(arm["arm"])
        value = accuracy["value"]
        if value is None or cost is None:
            continue
        x = cost["value"]
        low, high = (accuracy[end] if accuracy[end] is not None else value for end in ("low", "high"))
        ends = [end if (end := cost.get(side)) is not None and end > 0 else x for side in ("low", "high")]
        off = bias.of.get(arm["arm"], {}).get("value")
        bin = 3 if off is None else sum(off >= least for least in (MEDIUM, LARGE))
        chosen = decision is not None and decision.arm == arm["arm"]
        points.append(_Point(arm["arm"], names[arm["arm"]], x, (ends[0], ends[1]), value, low, high, bin, chosen))
    return points


def _table(report: Mapping[str, Any], named: Named, costs: Costs, bias: Costs) -> Any:
    rows = []
    for place, arm in enumerate(ordered(report), 1):
        cost, off = costs.of.get(arm["arm"], {}).get("value"), bias.of.get(arm["arm"], {}).get("value")
        accuracy = percent(found(arm["measurements"], "accuracy"))
        rows.append([str(place), named(arm["arm"]), accuracy, costs.form(cost), bias.form(off)])
    return "accuracy, cost and bias", ["#", "arm", "accuracy %", costs.title, bias.title.split(",")[0]], rows


def _spec(report: Mapping[str, Any], points: Sequence[_Point], costs: Costs, width: int) -> Spec:
    height = 400 if width == WIDE else 360
    xs, ys = [end for point in points for end in point.ends], [end for p in points for end in (p.low, p.high)]
    left, right = (round(math.log10(end), 6) for end in (min(xs) / 1.35, max(xs) * (2.2 if width == WIDE else 2.6)))
    bottom, top = max(0.0, math.floor(min(ys) / 5) * 5 - 2), min(100.0, math.ceil(max(ys) / 5) * 5 + 2)
    across, down = width - LEFT - 12, height - BOTTOM

    def at(x: float, y: float) -> tuple[float, float]:
        return (math.log10(x) - left) / (right - left) * across, (top - y) / (top - bottom) * down

    most = LETTERS[width]
    few = len(points) <= MOST_NAMED[width]
    labels = [label(point.label, most) if few else point.label.split(" ")[0] for point in points]
    middles = [at(point.x, point.y) for point in points]
    lines = [(x, at(p.x, p.high)[1], x, at(p.x, p.low)[1]) for p, (x, _) in zip(points, middles, strict=True)]
    lines += [(at(p.ends[0], p.y)[0], y, at(p.ends[1], p.y)[0], y) for p, (_, y) in zip(points, middles, strict=True)]
    spots = placed(middles, labels, lines, across, down)
    rows = [_row(point, name, spot) for point, name, spot in zip(points, labels, spots, strict=True)]
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [10**left, 10**right], "nice": False},
        "axis": {"title": costs.title[0].upper() + costs.title[1:], "tickCount": 4, "format": "~s", "grid": True},
    }
    y = {
        "field": "y",
        "type": "quantitative",
        "scale": {"domain": [bottom, top], "nice": False, "zero": False},
        "axis": {"title": "Accuracy, %", "tickCount": 6},
    }
    bins = range(len(BINS))
    mark = {"field": "bin", "type": "ordinal", "legend": None}
    colours = [MUTED if colour is None else COLOURS[colour] for colour in BIN_COLOURS]
    joined = [row for point, row in zip(points, rows, strict=True) if point.arm in _front(report)]
    layers: list[Spec] = [
        {
            "data": {"values": sorted(joined, key=lambda row: float(row["x"]))},
            "mark": {"type": "line", "strokeDash": [5, 4], "stroke": MUTED, "strokeWidth": 1.5},
            "encoding": {"x": x, "y": y},
        },
        {
            "mark": {"type": "rule", "stroke": MUTED},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "rule", "stroke": MUTED},
            "encoding": {"y": y, "x": {**x, "field": "from"}, "x2": {"field": "to"}},
        },
        {
            "data": {"values": [row for row in rows if row["chosen"]]},
            "mark": {"type": "point", "size": 420, "stroke": ACCENT, "strokeWidth": 2, "fill": None},
            "encoding": {"x": x, "y": y},
        },
        {
            "mark": {"type": "point", "filled": True, "opacity": 1, "stroke": "var(--paper)", "strokeWidth": 1},
            "encoding": {
                "x": x,
                "y": y,
                "color": {**mark, "scale": {"domain": list(bins), "range": colours}},
                "shape": {**mark, "scale": {"domain": list(bins), "range": list(BIN_SHAPES)}},
                "size": {**mark, "scale": {"domain": list(bins), "range": list(BIN_SIZES)}},
            },
        },
        {
            "mark": {"type": "text", "baseline": "middle", "fill": INK}
            | {name: {"expr": f"datum.{name}"} for name in ("align", "dx", "dy")},
            "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
        },
    ]
    return alone(layers, width, height) | {"data": {"values": rows}}


def _row(point: _Point, name: str, spot: Placed) -> Spec:
    return {
        "label": name,
        "x": point.x,
        "from": point.ends[0],
        "to": point.ends[1],
        "y": point.y,
        "low": point.low,
        "high": point.high,
        "bin": point.bin,
        "chosen": point.chosen,
        "align": spot.align,
        "dx": spot.dx,
        "dy": spot.dy,
    }
