"""Whether arms are right as often as they are sure, and what is wrong among what they are surest of."""

from collections.abc import Mapping
from typing import Any

from harness_reports import reliability
from harness_reports.html.arms import numbered
from harness_reports.html.svg import drawn
from harness_reports.html.vega import COLOURS, MUTED, NARROW, WIDE, Figure, Key, Spec, of_kind, panels, quantity
from harness_reports.tables import Named

WHOLE, AROUND = (0, 100), (-4, 104)
"""Percent, and with room for marks at the ends."""
DIAGONAL_DASH = (4, 3)


def figures(report: Mapping[str, Any], named: Named) -> list[Figure]:
    found = (_reliability(report, named), _risk(report, named))
    return [figure for figure in found if figure is not None]


def _drawn(rows: list[Spec], layers: list[Spec], id: str, title: str, what: str) -> Any:
    names = list(dict.fromkeys(str(row["panel"]) for row in rows))
    told = f"{what}, of {len(names)} arms. Its figures follow it."
    return [drawn(panels(rows, names, layers, width), f"{id}-{width}", title, told) for width in (WIDE, NARROW)]


def _reliability(report: Mapping[str, Any], named: Named) -> Figure | None:
    names, rows = numbered(report, named), []
    for arm, points in reliability.curves(report, "ece"):
        panel = names[arm]
        rows += [{"panel": panel, "kind": "ideal", "sure": end, "right": end, "answers": 0} for end in WHOLE]
        rows += [{"panel": panel, "kind": "own", "sure": s, "right": r, "answers": n} for s, r, n in points]
    if not rows:
        return None
    x = quantity("sure", "Confidence, %", AROUND, axis={"values": [0, 50, 100], "grid": False})
    y = quantity("right", "Right, %", AROUND, axis={"values": [0, 50, 100]})
    layers = [
        of_kind(
            "ideal",
            {
                "mark": {"type": "line", "stroke": MUTED, "strokeDash": list(DIAGONAL_DASH)},
                "encoding": {"x": x, "y": y},
            },
        ),
        of_kind(
            "own",
            {"mark": {"type": "line", "stroke": COLOURS[0], "strokeWidth": 1.4}, "encoding": {"x": x, "y": y}},
        ),
        of_kind(
            "own",
            {
                "mark": {"type": "point", "filled": True, "fill": COLOURS[0], "opacity": 0.9},
                "encoding": {
                    "x": x,
                    "y": y,
                    "size": {"field": "answers", "type": "quantitative", "legend": None, "scale": {"range": [8, 70]}},
                },
            },
        ),
    ]
    title = "Reliability"
    wide, narrow = _drawn(rows, layers, "reliability", title, "How often answers are right by how sure the arm is")
    caption = (
        "Answers in bins by how sure the arm is: above the diagonal it is right more often than it thinks, below it "
        "is too sure. Larger dots hold more answers."
    )
    keys = (Key("the arm", 0, "circle"), Key("as right as sure", None, dash=" ".join(map(str, DIAGONAL_DASH))))
    return Figure("reliability", title, caption, wide, narrow, keys, reliability.bins(report, named))


def _risk(report: Mapping[str, Any], named: Named) -> Figure | None:
    names, rows = numbered(report, named), []
    for arm, points in reliability.curves(report, "aurc"):
        rows += [{"panel": names[arm], "share": share, "wrong": wrong} for share, wrong in points]
    if not rows:
        return None
    x = quantity("share", "Answered, %", AROUND, axis={"values": [0, 50, 100], "grid": False})
    y = quantity("wrong", "Wrong, %", scale={"zero": True}, axis={"tickCount": 4})
    mark = {"type": "line", "stroke": COLOURS[1], "strokeWidth": 1.8}
    title = "Risk and coverage"
    what = "Share of wrong answers among the share of questions answered, surest first"
    wide, narrow = _drawn(rows, [{"mark": mark, "encoding": {"x": x, "y": y}}], "risk", title, what)
    caption = (
        "What would be wrong if the arm answered only the questions it is surest of. A line that starts low and rises "
        "late says that asking a person about the rest would pay."
    )
    return Figure("risk", title, caption, wide, narrow, (), reliability.risks(report, named))
