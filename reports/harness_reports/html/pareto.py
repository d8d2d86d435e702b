"""Accuracy, cost and bias of every arm in one chart."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.plugin import Number
from harness_reports.deciding import deciding
from harness_reports.figures import found, linkable, ordered, percent
from harness_reports.html import channels
from harness_reports.html.arms import numbered
from harness_reports.html.channels import Channel
from harness_reports.html.inert import label
from harness_reports.html.placing import Placed, placed
from harness_reports.html.svg import drawn
from harness_reports.html.vega import (
    ACCENT,
    COLOURS,
    INK,
    MUTED,
    NARROW,
    PAPER,
    WIDE,
    Figure,
    Key,
    Spec,
    alone,
    quantity,
)
from harness_reports.tables import Named, Table, headed

MEDIUM, LARGE = 2.0, 5.0
"""Points of bias from which a mark is another one."""
BINS = ("under 2 points", "2 to 5 points", "5 points or more", "not measured")
BIN_COLOURS: tuple[int | None, ...] = (0, 4, 1, None)
BIN_SHAPES = ("circle", "square", "triangle-up", "diamond")
BIN_SIZES = (70, 100, 130, 60)
MOST_NAMED = {WIDE: 12, NARROW: 5}
"""With more arms marks are labelled with their number in the table alone."""
LETTERS = {WIDE: 26, NARROW: 16}
MARK, RING = 5.0, 12.0
"""px from the middle of a mark to its edge."""
ON_A_LINE = 24
LEFT, BOTTOM = 52, 46
"""px about the axes, roughly: labels are placed by them."""


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
    costs, biases = channels.cost(report), channels.bias(report)
    points = _points(report, named, costs, biases)
    if not points:
        return None
    table = _table(report, named, costs, biases)
    missing = sum(found(arm["measurements"], "accuracy")["value"] is not None for arm in report["table"]) - len(points)
    title = "Accuracy, cost and bias"
    what = f"Accuracy on the test questions against {costs.title}, on a logarithmic axis, of {len(points)} arms"
    caption = (
        f"Up and to the left is better: accuracy with its 95 % interval against {costs.title} (logarithmic axis). "
        f"Colour, shape and size tell bias: {biases.title}."
    )
    if _front(report):
        caption += " The line joins the arms that nothing cheaper is shown to equal."
    if any(point.chosen for point in points):
        caption += " The ring marks the choice."
    if missing > 0:
        caption += f" {missing} {'arm has' if missing == 1 else 'arms have'} no cost above 0: the table alone has them."
    if len(points) > MOST_NAMED[WIDE]:
        caption += " Numbers are those of the table of arms."
    wide, narrow = (
        drawn(_spec(report, points, costs, width), f"pareto-{width}", title, f"{what}. Its figures follow it.")
        for width in (WIDE, NARROW)
    )
    seen = {point.bin for point in points}
    keys = tuple(
        Key(f"{biases.short} {name}", BIN_COLOURS[bin], BIN_SHAPES[bin]) for bin, name in enumerate(BINS) if bin in seen
    )
    return Figure("pareto", title, caption, wide, narrow, keys, table)


def _front(report: Mapping[str, Any]) -> Sequence[str]:
    return (report.get("decision") or {}).get("front") or ()


def _points(report: Mapping[str, Any], named: Named, costs: Channel, biases: Channel) -> list[_Point]:
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
        off = biases.value(arm["arm"])
        bin = 3 if off is None else sum(off >= least for least in (MEDIUM, LARGE))
        chosen = decision is not None and decision.arm == arm["arm"]
        points.append(_Point(arm["arm"], names[arm["arm"]], x, (ends[0], ends[1]), value, low, high, bin, chosen))
    return points


def _table(report: Mapping[str, Any], named: Named, costs: Channel, biases: Channel) -> Table:
    rows = []
    for place, arm in enumerate(ordered(report), 1):
        cost, off = costs.value(arm["arm"]), biases.value(arm["arm"])
        told = (
            ("accuracy", percent(found(arm["measurements"], "accuracy"))),
            (costs.measure, costs.form(cost)),
            (biases.measure, biases.form(off)),
        )
        rows.append([str(place), named(arm["arm"]), *(linkable(text, Number(arm["arm"], name)) for name, text in told)])
    return "accuracy, cost and bias", ["#", "arm", "accuracy %", costs.title, biases.short], rows


def _spec(report: Mapping[str, Any], points: Sequence[_Point], costs: Channel, width: int) -> Spec:
    height = 400 if width == WIDE else 360
    xs, ys = [end for point in points for end in point.ends], [end for p in points for end in (p.low, p.high)]
    left, right = (round(math.log10(end), 6) for end in (min(xs) / 1.35, max(xs) * (1.5 if width == WIDE else 1.8)))
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
    radii = [RING if point.chosen else MARK for point in points]
    joined = sorted((point.x, point.y) for point in points if point.arm in _front(report))
    spots = placed(middles, radii, labels, lines + _along([at(*point) for point in joined]), (across, down))
    rows = [_row(point, name, spot) for point, name, spot in zip(points, labels, spots, strict=True)]
    x = {
        "field": "x",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [10**left, 10**right], "nice": False},
        "axis": {"title": headed(costs.title), "tickCount": 4, "format": ",~r"},
    }
    y = quantity("y", "Accuracy, %", (bottom, top), axis={"tickCount": 6})
    layers = _layers(x, y, [{"x": one, "y": other} for one, other in joined], [row for row in rows if row["chosen"]])
    return alone(layers, width, height) | {"data": {"values": rows}}


def _along(points: Sequence[tuple[float, float]]) -> list[tuple[float, float, float, float]]:
    """A line through the points as short upright ones, for labels to keep off."""
    steps = [step / ON_A_LINE for step in range(ON_A_LINE)]
    return [
        (x := a + step * (c - a), y := b + step * (d - b), x, y)
        for (a, b), (c, d) in itertools.pairwise(points)
        for step in steps
    ]


def _layers(x: Spec, y: Spec, front: Sequence[Spec], chosen: Sequence[Spec]) -> list[Spec]:
    bins = list(range(len(BINS)))
    mark = {"field": "bin", "type": "ordinal", "legend": None}
    colours = [MUTED if colour is None else COLOURS[colour] for colour in BIN_COLOURS]
    ranges = {"color": colours, "shape": BIN_SHAPES, "size": BIN_SIZES}
    by_bin = {channel: {**mark, "scale": {"domain": bins, "range": list(of)}} for channel, of in ranges.items()}
    return [
        {
            "data": {"values": front},
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
            "data": {"values": chosen},
            "mark": {"type": "point", "size": 420, "stroke": ACCENT, "strokeWidth": 2, "fill": None},
            "encoding": {"x": x, "y": y},
        },
        {
            "mark": {"type": "point", "filled": True, "opacity": 1, "stroke": PAPER, "strokeWidth": 1},
            "encoding": {"x": x, "y": y, **by_bin},
        },
        {
            "mark": {"type": "text", "baseline": "middle", "fill": INK}
            | {name: {"expr": f"datum.{name}"} for name in ("align", "dx", "dy")},
            "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
        },
    ]


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
