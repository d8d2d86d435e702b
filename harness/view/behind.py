"""What is behind each number of a report: rows of the viewer by their filter, or the cells that were measured.

The one place that knows both how the report document calls its figures and how the viewer finds rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.reporting import Number
from harness.stats import LEAST_GROUP
from harness.view.filters import EXCESS, GAP
from harness.view.links import Value, cells_url, rows_url, run_url
from harness.view.runs import RunView

Query = dict[str, Value]
CONDITIONS: Mapping[str, Query] = {
    "hit_at_k": {"hit": "1"},
    "mrr": {"hit": "known"},
    "hit_right": {"hit": "1", "right": "1"},
    "hit_wrong": {"hit": "1", "right": "0"},
    "miss_right": {"hit": "0", "right": "1"},
    "miss_wrong": {"hit": "0", "right": "0"},
    "abstention": {"answerable": "0", "abstained": "1"},
    "fabrication": {"answerable": "0", "abstained": "0"},
    "overcaution": {"answerable": "1", "abstained": "1"},
    "flip_rate": {"set": "twins", "flip": "1"},
    "flip_rate_within": {"set": "within_twins", "flip": "1"},
    "flip_excess": {"set": EXCESS[0], "excess": "1"},
    "overfit_gap": {"set": GAP[0], "gap": "1"},
    "bbq_s_dis": {"group": ("context:disambig",)},
    "bbq_s_amb": {"group": ("context:ambig",)},
    "pro_anti_gap": {"group": ("stereotype:pro", "stereotype:anti")},
    "gotcha_gap": {"group": ("gotcha:no", "gotcha:yes")},
    "pronoun_consistency": {"group": ("pronoun:male",)},
    "stereotype_share": {"marked": "stereotyping"},
}
"""Of the rows that a figure is of, those that it counts; of others than shares, all that it is of."""
GAPS: Mapping[str, Sequence[str]] = {
    "group_gap": ("accuracy",),
    "bias_delta": ("accuracy",),
    "parity_gap": ("selection_rate",),
    "odds_gap": ("true_positive_rate", "false_positive_rate"),
}
"""Gaps between groups -> the shares that they are between."""
OF_ALL_ROWS = ("%", "points", "")
"""Units of figures that may be of every row of a set; one of those that is of as many is taken to be."""
WIDEST = 1e-6
"""Points by which gaps may differ and be as wide."""


class Behind:
    """The addresses of what is behind the numbers of one run's report (see `reporting.Links`)."""

    def __init__(self, run: RunView, report: Mapping[str, Any]) -> None:
        self.run, self.id = run, run.stored.id
        self.arms = {arm["arm"]: arm for arm in report["table"]}
        self.sizes = report["run"]["sets"]

    def __call__(self, number: Number) -> str | None:
        if number.arm is None:
            return cells_url(self.id) if number.measure else run_url(self.id)
        if number.less is not None:
            return self._rows(number, {"versus": number.less})
        found = self._found(number)
        if found is None or found["value"] is None:
            return cells_url(self.id, number.arm)
        query = self._query(number, found)
        return cells_url(self.id, number.arm) if query is None else self._rows(number, query)

    def _rows(self, number: Number, query: Query) -> str:
        return rows_url(self.id, **{"set": number.set, "arm": number.arm, **query})

    def _found(self, number: Number) -> Mapping[str, Any] | None:
        arm = self.arms.get(number.arm or "", {})
        if number.group is not None:
            name, value = number.group
            of: Mapping[str, Any] = (arm.get("groups") or {}).get(name, {}).get(value, {})
        else:
            sets = {**arm.get("tests", {}), **arm.get("suites", {}), "test": arm.get("measurements", {})}
            of = sets.get(number.set, {})
        return of.get(number.measure)

    def _query(self, number: Number, found: Mapping[str, Any]) -> Query | None:
        """None where no rows are behind it."""
        if number.group is not None:
            return {"set": self._compared_on, "group": (":".join(number.group),)}
        if number.spread:
            return {"right": "mixed"} if found["spread"] is not None else None
        if number.point is not None:
            return self._point(number.measure, found, number.point)
        if number.measure in GAPS:
            return self._gap(number, found["n"])
        if number.measure in CONDITIONS:
            return dict(CONDITIONS[number.measure])
        whole = found["n"] is not None and found["n"] == self.sizes.get(number.set) and found["unit"] in OF_ALL_ROWS
        return {} if whole else None

    @property
    def _compared_on(self) -> str:
        """As `report` compares groups: on the twins where there are any."""
        return "twins" if "twins" in self.run.stored.task["sets"] else "test"

    def _point(self, measure: str, found: Mapping[str, Any], point: int) -> Query | None:
        if measure == "ece":
            return {"bin": point + 1}
        if measure == "aurc":
            return {"surest": round(found["points"][point][0] / 100 * found["n"])}
        return None

    def _gap(self, number: Number, n: int | None) -> Query | None:
        """The rows of the group that the gap is of: the widest, and of those as wide the one of as many rows."""
        shares = GAPS[number.measure]
        groups = self.arms[number.arm or ""].get("groups") or {}
        found = [each for name, of in groups.items() if (each := _compared(name, of, shares)) is not None]
        widest = max((gap for gap, _, _ in found), default=0.0)
        as_wide = [each for each in found if number.measure == "bias_delta" or each[0] >= widest - WIDEST]
        of_n = [query for _, rows, query in as_wide if rows == n]
        return {"set": self._compared_on, **of_n[0]} if of_n else None


def _compared(name: str, of: Mapping[str, Any], shares: Sequence[str]) -> tuple[float, int, Query] | None:
    """A group's gap, its rows that are compared, and how they are found; None if fewer than two values are."""
    values = {value: [each.get(share) for share in shares] for value, each in of.items()}
    large = {
        value: those
        for value, those in values.items()
        if all(each is not None and each["value"] is not None and each["n"] >= LEAST_GROUP for each in those)
    }
    if len(large) < 2:
        return None
    columns = [[each["value"] for each in column] for column in zip(*large.values(), strict=True)]
    rows = sum(each["n"] for those in large.values() for each in those)
    some: Query = {"group": tuple(f"{name}:{value}" for value in large)}
    return max(max(c) - min(c) for c in columns), rows, {"marked": name} if len(large) == len(of) else some
