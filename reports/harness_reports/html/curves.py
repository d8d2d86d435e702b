"""How arms learnt: losses and accuracy by epoch, accuracy by training size; a panel for each arm."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness_reports import learning
from harness_reports.figures import ordered
from harness_reports.html.arms import numbered
from harness_reports.html.svg import drawn
from harness_reports.html.vega import COLOURS, INK, NARROW, WIDE, Figure, Key, Spec, of_kind, panels, quantity
from harness_reports.tables import Named

TRAIN, HELD = 4, 0
"""Colours of training and of validation."""
TRAIN_DASH = (5, 3)


def figures(report: Mapping[str, Any], named: Named) -> list[Figure]:
    found = (_losses(report, named), _right(report, named), _sizes(report, named))
    return [figure for figure in found if figure is not None]


def _epochs(report: Mapping[str, Any], named: Named, fields: Mapping[str, float]) -> tuple[list[Spec], list[str]]:
    """Rows of these fields, each times a factor, and the panels they stand in."""
    names, rows = numbered(report, named), []
    for arm in ordered(report):
        lines = [(curve, epoch, field) for curve in arm["epochs"] for epoch in curve["epochs"] for field in fields]
        for curve, epoch, field in lines:
            if epoch[field] is not None:
                best = field != "train_loss" and epoch["epoch"] == curve["best_epoch"]
                row = {"panel": names[arm["arm"]], "seed": str(curve["seed"]), "kind": field, "best": best}
                rows.append(row | {"epoch": epoch["epoch"], "value": fields[field] * epoch[field]})
    return rows, list(dict.fromkeys(str(row["panel"]) for row in rows))


def _line(kind: str, colour: int, title: str, **mark: Any) -> Spec:
    epoch = quantity(
        "epoch", "Epoch", scale={"zero": False}, axis={"tickMinStep": 1, "tickCount": 4, "format": "d", "grid": False}
    )
    encoding = {
        "x": epoch,
        "y": quantity("value", title, axis={"tickCount": 4}),
        "detail": {"field": "seed", "type": "nominal"},
    }
    return of_kind(
        kind, {"mark": {"type": "line", "stroke": COLOURS[colour], "strokeWidth": 1.6, **mark}, "encoding": encoding}
    )


def _best(title: str) -> Spec:
    return {
        "transform": [{"filter": {"field": "best", "equal": True}}],
        "mark": {"type": "point", "filled": True, "fill": COLOURS[HELD], "size": 46, "opacity": 1},
        "encoding": {
            "x": {"field": "epoch", "type": "quantitative"},
            "y": {"field": "value", "type": "quantitative", "title": title},
        },
    }


def _both(rows: list[Spec], names: list[str], layers: list[Spec], id: str, title: str, what: str) -> Any:
    return [drawn(panels(rows, names, layers, width), f"{id}-{width}", title, what) for width in (WIDE, NARROW)]


def _losses(report: Mapping[str, Any], named: Named) -> Figure | None:
    rows, names = _epochs(report, named, {"train_loss": 1.0, "validation_loss": 1.0})
    if not rows:
        return None
    title, axis = "Loss by epoch", "Loss, nats"
    layers = [
        _line("train_loss", TRAIN, axis, strokeDash=list(TRAIN_DASH)),
        _line("validation_loss", HELD, axis),
        _best(axis),
    ]
    what = f"Loss on training and validation questions by epoch, of {len(names)} arms that were trained by epochs"
    wide, narrow = _both(rows, names, layers, "loss", title, f"{what}. Its figures follow it.")
    caption = (
        "Mean cross-entropy, a line for each seed; the dot is the epoch whose weights were kept. Where validation "
        "turns up while training goes on down, the arm learns its training questions by heart."
    )
    keys = (
        Key("training", TRAIN, dash=" ".join(map(str, TRAIN_DASH))),
        Key("validation", HELD, dash="1 0"),
        Key("epoch that was kept", HELD, "circle"),
    )
    return Figure("loss", title, caption, wide, narrow, keys, learning.epochs(report, named))


def _right(report: Mapping[str, Any], named: Named) -> Figure | None:
    rows, names = _epochs(report, named, {"validation_accuracy": 100.0})
    if not rows:
        return None
    title, axis = "Validation accuracy by epoch", "Right, %"
    layers = [_line("validation_accuracy", HELD, axis), _best(axis)]
    what = f"Accuracy on validation questions by epoch, of {len(names)} arms"
    wide, narrow = _both(rows, names, layers, "validation", title, f"{what}. Its figures stand with the losses.")
    keys = (Key("validation", HELD, dash="1 0"), Key("epoch that was kept", HELD, "circle"))
    caption = "Share of validation questions answered right, a line for each seed; its figures stand with the losses."
    return Figure("validation", title, caption, wide, narrow, keys, None)


def _sizes(report: Mapping[str, Any], named: Named) -> Figure | None:
    names, rows = numbered(report, named), []
    for arm in ordered(report):
        for point in arm["sizes"]["points"] or ():
            accuracy = point["accuracy"]
            if accuracy["value"] is not None:
                ends = [accuracy["value"] if accuracy[end] is None else accuracy[end] for end in ("low", "high")]
                row = {"panel": names[arm["arm"]], "rows": point["rows"], "value": accuracy["value"]}
                rows.append(row | {"low": ends[0], "high": ends[1]})
    tables = learning.sizes(report, named)
    if not rows or not tables:
        return None
    title, shown = "Accuracy by training size", list(dict.fromkeys(str(row["panel"]) for row in rows))
    x = quantity(
        "rows", "Questions trained on", scale={"type": "log"}, axis={"tickCount": 3, "format": "~s", "grid": False}
    )
    y = quantity("value", "Accuracy, %", axis={"tickCount": 4})
    layers: Sequence[Spec] = [
        {
            "mark": {"type": "area", "fill": COLOURS[HELD], "opacity": 0.16},
            "encoding": {"x": x, "y": {**y, "field": "low"}, "y2": {"field": "high"}},
        },
        {"mark": {"type": "line", "stroke": COLOURS[HELD], "strokeWidth": 1.8}, "encoding": {"x": x, "y": y}},
        {
            "mark": {"type": "point", "filled": True, "fill": INK, "size": 28, "opacity": 1},
            "encoding": {"x": x, "y": y},
        },
    ]
    what = f"Accuracy on the test questions by the number of training questions, of {len(shown)} arms"
    wide, narrow = _both(rows, shown, list(layers), "sizes", title, f"{what}. Its figures follow it.")
    caption = (
        "Accuracy on the test questions with its 95 % interval by how many questions were trained on (logarithmic "
        "axis). A line that still rises says that more data would help."
    )
    return Figure("sizes", title, caption, wide, narrow, (), tables[0])
