"""What arms cost by how much they are asked, with bands, and where the cheapest is another one."""

import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness_reports.deciding import break_even
from harness_reports.figures import ordered
from harness_reports.html.arms import numbered
from harness_reports.html.inert import label
from harness_reports.html.svg import drawn
from harness_reports.html.vega import ACCENT, COLOURS, DASHES, INK, NARROW, WIDE, Figure, Key, Spec, alone
from harness_reports.money import count
from harness_reports.owning import curves, owned
from harness_reports.tables import Named, in_sentences

MOST = 6
"""Lines; more cannot be followed. All arms are in the table."""
LEAST_SPAN = 10
"""Times that the greatest volume on the axis is the least."""
HEIGHT, BOTTOM, LINE = 340, 46, 14
LABELS = {WIDE: (170, 24), NARROW: (0, 0)}
"""px to the right of the lines and letters of the labels there; the legend names the lines too."""


def figure(report: Mapping[str, Any], named: Named) -> Figure | None:
    """None where no arm's cost is known by volume."""
    known = [arm for arm in owned(report) if _drawable(arm)]
    shown = _shown(report, known)
    if not shown:
        return None
    names = numbered(report, named)
    called = [names.get(arm["arm"], label(named(arm["arm"]))) for arm in shown]
    told = " ".join(map(in_sentences(report, named), break_even(report)))
    title = "Break-even"
    caption = (
        f"{told} Cost of ownership in USD by queries a month, both axes logarithmic; bands are the range of its prices "
        "and assumptions."
    ).strip()
    flips = [flip for flip in report["ownership"].get("flips") or () if flip["queries_per_month"]]
    if flips:
        caption += " Upright lines are where the cheapest arm flips, shaded as far as that is uncertain."
    if len(known) > len(shown):
        caption += (
            f" Drawn are {len(shown)} of {len(known)} arms: choice, ties, what flips or is on the front, then the best."
        )
    what = f"Cost of ownership against queries a month, of {len(shown)} arms. {told}".strip()
    wide, narrow = (
        drawn(_spec(shown, called, flips, width), f"break-even-{width}", title, what) for width in (WIDE, NARROW)
    )
    keys = tuple(
        Key(name, place % len(COLOURS), dash=" ".join(map(str, DASHES[place % len(DASHES)])))
        for place, name in enumerate(called)
    )
    return Figure("break-even", title, caption, wide, narrow, keys, curves(report, named))


def _shown(report: Mapping[str, Any], known: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    decision, ownership = report.get("decision") or {}, report.get("ownership") or {}
    wanted = [decision.get("choice"), *(decision.get("ties") or ()), ownership.get("cheapest")]
    wanted += [flip[side] for flip in ownership.get("flips") or () for side in ("cheaper", "than")]
    wanted += [*(decision.get("front") or ()), *(arm["arm"] for arm in ordered(report))]
    by_name = {arm["arm"]: arm for arm in known}
    names = [name for name in dict.fromkeys(wanted) if name in by_name][:MOST]
    return [arm for arm in known if arm["arm"] in names]


def _spec(
    shown: Sequence[Mapping[str, Any]], called: Sequence[str], flips: Sequence[Mapping[str, Any]], width: int
) -> Spec:
    room, letters = LABELS[width]
    lines = [
        [
            {"line": place, "queries": queries, "usd": usd, "low": low, "high": high}
            for queries, usd, low, high in _drawable(arm)
        ]
        for place, arm in enumerate(shown)
    ]
    rows = [row for line in lines for row in line]
    volumes = [row["queries"] for row in rows]
    least, most = min(volumes), max(*volumes, min(volumes) * LEAST_SPAN)
    low, high = min(row["low"] for row in rows) / 1.1, max(row["high"] for row in rows) * 1.1
    x = {
        "field": "queries",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [least, most], "nice": False},
        "axis": {"title": "Queries a month", "tickCount": 4, "format": "~s"},
    }
    y = {
        "field": "usd",
        "type": "quantitative",
        "scale": {"type": "log", "domain": [low, high], "nice": False},
        "axis": {"title": "Cost of ownership, USD", "tickCount": 5, "format": ",~r"},
    }
    inside = [flip for flip in flips if least <= flip["queries_per_month"] <= most]
    seen = [{**_clamped(flip, least, most), "dy": LINE * (place % 3)} for place, flip in enumerate(inside)]
    layers = _layers(x, y, len(shown), seen)
    if room:
        layers.append(_ends(x, y, [line[-1] for line in lines], [label(name, letters) for name in called], (low, high)))
    # Labels stand outside of the axes, so that the chart is laid out by its inner size.
    inner = {"autosize": {"type": "none"}, "padding": {"left": 52, "top": 8, "right": room + 10, "bottom": BOTTOM}}
    return alone(layers, width - 52 - room - 10, HEIGHT - BOTTOM) | inner | {"data": {"values": rows}}


def _layers(x: Spec, y: Spec, lines: int, flips: Sequence[Spec]) -> list[Spec]:
    order = list(range(lines))
    of_line = {"field": "line", "type": "nominal", "legend": None, "sort": None}
    colour = {**of_line, "scale": {"domain": order, "range": [COLOURS[each % len(COLOURS)] for each in order]}}
    dash = {**of_line, "scale": {"domain": order, "range": [list(DASHES[each % len(DASHES)]) for each in order]}}
    return [
        {
            "data": {"values": flips},
            "mark": {"type": "rect", "fill": ACCENT, "fillOpacity": 0.1},
            "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}},
        },
        {
            "mark": {"type": "area", "opacity": 0.13, "line": False},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}, "color": colour},
        },
        {
            "mark": {"type": "line", "strokeWidth": 2.2},
            "encoding": {"x": x, "y": y, "color": colour, "strokeDash": dash},
        },
        {
            "data": {"values": flips},
            "mark": {"type": "rule", "stroke": ACCENT, "strokeWidth": 1.5},
            "encoding": {"x": x},
        },
        {
            "data": {"values": flips},
            "mark": {"type": "text", "align": "left", "dx": 5, "baseline": "top", "fill": INK, "fontWeight": "bold"}
            | {"dy": {"expr": "datum.dy"}},
            "encoding": {"x": x, "y": {"value": 4}, "text": {"field": "told", "type": "nominal"}},
        },
    ]


def _ends(x: Spec, y: Spec, ends: Sequence[Spec], names: Sequence[str], costs: tuple[float, float]) -> Spec:
    """The names of lines where they end, moved off one another."""
    low, high = map(math.log, costs)
    tops = [(high - math.log(row["usd"])) / (high - low) * (HEIGHT - BOTTOM) for row in ends]
    moved = zip(ends, names, tops, _spread(tops), strict=True)
    rows = [{**row, "label": name, "dy": after - before} for row, name, before, after in moved]
    return {
        "data": {"values": rows},
        "mark": {
            "type": "text",
            "align": "left",
            "dx": 8,
            "baseline": "middle",
            "fill": INK,
            "dy": {"expr": "datum.dy"},
        },
        "encoding": {"x": x, "y": y, "text": {"field": "label", "type": "nominal"}},
    }


def _drawable(arm: Mapping[str, Any]) -> list[tuple[float, float, float, float]]:
    """The points that logarithms have, each with a band, if of no width."""
    points = []
    for queries, usd, low, high in arm.get("curve") or ():
        if queries and usd and queries > 0 and usd > 0:
            points.append((queries, usd, low if low and low > 0 else usd, high if high and high > 0 else usd))
    return points


def _clamped(flip: Mapping[str, Any], least: float, most: float) -> Spec:
    at = flip["queries_per_month"]
    low, high = (at if flip[end] is None else min(most, max(least, flip[end])) for end in ("low", "high"))
    return {"queries": at, "low": low, "high": high, "told": count(at)}


def _spread(tops: Sequence[float], apart: float = 14.0) -> list[float]:
    """The same heights moved down and then up as little as leaves so many px between them."""
    order = sorted(range(len(tops)), key=lambda place: tops[place])
    moved = list(tops)
    for before, place in itertools.pairwise(order):
        moved[place] = max(moved[place], moved[before] + apart)
    over = max(0.0, moved[order[-1]] - max(tops[order[-1]], 0.0)) / 2 if order else 0.0
    return [height - over for height in moved]
