"""How arms learnt, in tables for any format: losses by epoch, accuracy by training size, permuted labels."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.plugin import Number
from harness_reports.figures import NOTHING, linkable, ordered, percent
from harness_reports.tables import Named, Table

PERMUTED = "trained on permuted labels: nothing should be learnt"
BARS = "▁▂▃▄▅▆▇█"
MOST_BARS = 12
"""Longer curves are shown by so many of their epochs, evenly spaced, the first and the last among them."""


def tables(report: Mapping[str, Any], named: Named = str) -> list[Table]:
    """Those of which there is anything to show."""
    return [table for table in (epochs(report, named), *sizes(report, named), _permuted(report, named)) if table[2]]


def epochs(report: Mapping[str, Any], named: Named) -> Table:
    rows = []
    for arm in ordered(report):
        for curve in arm["epochs"]:
            alone = len(arm["epochs"]) == 1
            seen = curve["epochs"]
            rows.append(
                [
                    named(arm["arm"]) if alone else f"{named(arm['arm'])}, seed {curve['seed']}",
                    _drawn([epoch["validation_loss"] for epoch in seen], "{:.2f}"),
                    _drawn([epoch["train_loss"] for epoch in seen], "{:.2f}"),
                    _drawn([_percent(epoch["validation_accuracy"]) for epoch in seen], "{:.0f}"),
                    linkable(f"{curve['best_epoch'] or NOTHING} of {len(seen)}", Number(arm["arm"], "epochs")),
                ]
            )
    return "training by epoch", ["arm", "validation loss", "train loss", "validation %", "best epoch"], rows


def sizes(report: Mapping[str, Any], named: Named) -> list[Table]:
    curves = [
        (arm["arm"], named(arm["arm"]), arm["sizes"]["points"]) for arm in ordered(report) if arm["sizes"]["points"]
    ]
    if not curves:
        return []
    titles = [f"{point['size']} ({point['rows']})" for point in curves[0][2]]
    rows = []
    values = {name: [point["accuracy"]["value"] for point in points] for _, name, points in curves}
    known = [value for each in values.values() for value in each if value is not None]
    for arm, name, points in curves:
        drawn = NOTHING if None in values[name] else sparkline(values[name], known)
        rows.append([name, drawn, *(linkable(percent(point["accuracy"]), Number(arm, "sizes")) for point in points)])
    return [("accuracy on test by share of the training data (rows)", ["arm", "curve", *titles], rows)]


def _permuted(report: Mapping[str, Any], named: Named) -> Table:
    rows = []
    for arm in ordered(report):
        found = arm["permuted"]
        accuracy = found["accuracy"]
        if accuracy["value"] is None:
            continue
        less = NOTHING if found["less_base"] is None else percent(found["less_base"])
        verdict = found["verdict"] or accuracy["reason"]
        told = linkable(percent(accuracy), Number(arm["arm"], "permuted"))
        rows.append([named(arm["arm"]), told, verdict, f"{found['chance']:.1f}", less])
    titles = ["arm", "accuracy %", "verdict", "chance", "less untrained"]
    return PERMUTED, titles, rows


def _percent(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _drawn(values: Sequence[float | None], form: str) -> str:
    """`█▅▂▁ 1.21→0.35`: a bar per epoch between the least and the greatest, the first figure and the last."""
    known = [value for value in values if value is not None]
    if not known:
        return NOTHING
    return f"{sparkline(known)} {form.format(known[0])}→{form.format(known[-1])}"


def sparkline(values: Sequence[float], among: Sequence[float] = ()) -> str:
    """At most `MOST_BARS` bars, from the least value to the greatest of these and those `among` which they are shown.

    Where all are equal they stand low.
    """
    if len(values) > MOST_BARS:
        values = [values[round(place * (len(values) - 1) / (MOST_BARS - 1))] for place in range(MOST_BARS)]
    low, high = min(*values, *among, math.inf), max(*values, *among, -math.inf)
    span = high - low
    return "".join(BARS[round((value - low) / span * (len(BARS) - 1)) if span else 0] for value in values)
