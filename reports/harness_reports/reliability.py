"""Whether arms are right as often as they are sure, and what answering less would spare, in tables for any format."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.plugin import Number
from harness_reports.figures import NOTHING, found, linkable, ordered, percent
from harness_reports.tables import Named, Table

COVERAGES = (10, 20, 30, 40, 50, 60, 70, 80, 90, 100)


def curves(report: Mapping[str, Any], measure: str) -> list[tuple[str, Sequence[Sequence[float]]]]:
    """(arm, points) of every arm whose measure comes with a curve, as `ordered`."""
    of = [(arm["arm"], found(arm["measurements"], measure).get("points")) for arm in ordered(report)]
    return [(arm, points) for arm, points in of if points]


def tables(report: Mapping[str, Any], named: Named) -> list[Table]:
    """Those of which there is anything to show."""
    tables = (summed(report, named), bins(report, named), risks(report, named))
    return [table for table in tables if table[2]]


def summed(report: Mapping[str, Any], named: Named) -> Table:
    rows = []
    for arm in ordered(report):
        ece, brier, aurc = (found(arm["measurements"], name) for name in ("ece", "brier", "aurc"))
        scored = NOTHING if brier["value"] is None else f"{brier['value']:.3f}"
        told = (("ece", percent(ece)), ("brier", scored), ("aurc", percent(aurc)))
        cells = [linkable(text, Number(arm["arm"], name)) for name, text in told]
        if set(cells) - {NOTHING}:
            rows.append([named(arm["arm"]), *cells])
    return "calibration", ["arm", "ECE, points", "Brier", "area under risk and coverage, %"], rows


def bins(report: Mapping[str, Any], named: Named) -> Table:
    """From the least sure to the surest: confidence → accuracy, and over how many answers."""
    known = curves(report, "ece")
    most = max((len(points) for _, points in known), default=0)
    rows = []
    for arm, points in known:
        cells = [
            linkable(f"{sure:.0f} → {right:.0f} ({rows_in:.0f})", Number(arm, "ece", point=place))
            for place, (sure, right, rows_in) in enumerate(points)
        ]
        rows.append([named(arm), *cells, *[NOTHING] * (most - len(cells))])
    titles = ["arm", *(f"bin {number}" for number in range(1, most + 1))]
    return "confidence → accuracy in percent (answers), by bin", titles, rows


def risks(report: Mapping[str, Any], named: Named) -> Table:
    """Wrong among so many of the questions, surest first."""
    rows = []
    for arm, points in curves(report, "aurc"):
        nearest = [_nearest(points, share) for share in COVERAGES]
        cells = [linkable(f"{points[place][1]:.1f}", Number(arm, "aurc", point=place)) for place in nearest]
        rows.append([named(arm), *cells])
    titles = ["arm", *(f"{share} %" for share in COVERAGES)]
    return "wrong, in percent, among the share of questions answered", titles, rows


def _nearest(points: Sequence[Sequence[float]], share: float) -> int:
    return min(range(len(points)), key=lambda place: abs(points[place][0] - share))
