"""Accuracy by group of people: every arm, every value, with intervals."""

from collections.abc import Mapping
from typing import Any

from harness_reports import grouped
from harness_reports.figures import found, ordered
from harness_reports.html.arms import numbered
from harness_reports.html.inert import label
from harness_reports.html.svg import drawn
from harness_reports.html.vega import COLOURS, INK, NARROW, SHAPES, WIDE, Figure, Key, Spec, alone
from harness_reports.tables import Named

ROW, BETWEEN = 12, 10
"""px of a value, and between arms."""
MOST_VALUES = len(SHAPES)
"""Drawn of a group; all are in the table."""


def figures(report: Mapping[str, Any], named: Named) -> list[Figure]:
    tables = {table[0]: table for table in grouped.tables(report, named)}
    made = []
    for place, (group, values) in enumerate(grouped.values(report).items()):
        table = tables.get(f"accuracy by {group}")
        if table is not None:
            made.append(_figure(report, named, f"group-{place}", group, values[:MOST_VALUES], table))
    return made


def _figure(report: Mapping[str, Any], named: Named, id: str, group: str, values: list[str], table: Any) -> Figure:
    names, rows = numbered(report, named), []
    for arm in ordered(report):
        for number, value in enumerate(values):
            of_value = found(((arm.get("groups") or {}).get(group) or {}).get(value, {}), "accuracy")
            if of_value["value"] is not None:
                low, high = (of_value["value"] if of_value[end] is None else of_value[end] for end in ("low", "high"))
                row = {"arm": names[arm["arm"]], "of": number, "value": of_value["value"]}
                rows.append(row | {"low": low, "high": high})
    shown = list(dict.fromkeys(str(row["arm"]) for row in rows))
    title = f"Accuracy by {group}"
    what = (
        f"Accuracy with 95 % intervals by {group}, of {len(shown)} arms, {len(values)} values. Its figures follow it."
    )
    wide, narrow = (
        drawn(_spec(rows, shown, len(values), width), f"{id}-{width}", title, what) for width in (WIDE, NARROW)
    )
    caption = "Accuracy of each arm where people of one value are asked about, with its 95 % interval."
    dropped = len(table[1]) - 3 - len(values)
    if dropped > 0:
        caption += f" {dropped} more values stand in the table alone."
    keys = tuple(Key(label(value), number % len(COLOURS), SHAPES[number]) for number, value in enumerate(values))
    return Figure(id, title, caption, wide, narrow, keys, table)


def _spec(rows: list[Spec], arms: list[str], values: int, width: int) -> Spec:
    step = {"step": ROW, "for": "offset"}
    y = {
        "field": "arm",
        "type": "nominal",
        "sort": arms,
        "scale": {"paddingInner": BETWEEN / (BETWEEN + ROW * values), "paddingOuter": 0.1},
        "axis": {
            "title": None,
            "labelLimit": 200 if width == WIDE else 120,
            "labelColor": INK,
            "labelOverlap": False,
            "grid": False,
        },
    }
    offset = {"field": "of", "type": "ordinal", "scale": {"domain": list(range(values))}}
    x = {
        "field": "value",
        "type": "quantitative",
        "scale": {"zero": False},
        "axis": {"title": "Accuracy, %", "tickCount": 5},
    }
    channel = {"field": "of", "type": "ordinal", "legend": None}
    domain = list(range(values))
    colour = {**channel, "scale": {"domain": domain, "range": [COLOURS[each % len(COLOURS)] for each in domain]}}
    shape = {**channel, "scale": {"domain": domain, "range": list(SHAPES[:values])}}
    layers: list[Spec] = [
        {
            "mark": {"type": "rule", "strokeWidth": 1.6},
            "encoding": {
                "y": y,
                "yOffset": offset,
                "x": {**x, "field": "low"},
                "x2": {"field": "high"},
                "color": colour,
            },
        },
        {
            "mark": {"type": "point", "filled": True, "size": 42, "opacity": 1},
            "encoding": {"y": y, "yOffset": offset, "x": x, "color": colour, "shape": shape},
        },
    ]
    return alone(layers, width, 0) | {
        "data": {"values": rows},
        "height": step,
        "autosize": {"type": "fit-x", "contains": "padding"},
    }
