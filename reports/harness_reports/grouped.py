"""Accuracy by group of people, in tables for any format."""

from collections.abc import Mapping
from typing import Any

from harness.plugin import Number
from harness_reports.figures import NOTHING, found, linkable, marked, ordered, percent, signed
from harness_reports.tables import Named, Table


def values(report: Mapping[str, Any]) -> dict[str, list[str]]:
    """Every group with its values, in the order of their names."""
    groups: dict[str, set[str]] = {}
    for arm in report["table"]:
        for group, of in (arm.get("groups") or {}).items():
            groups.setdefault(group, set()).update(of)
    return {group: sorted(of) for group, of in groups.items()}


def tables(report: Mapping[str, Any], named: Named) -> list[Table]:
    """Of every group in which anything was measured: each arm's accuracy by value, and the gaps over all groups."""
    tables = []
    for group, of in values(report).items():
        rows = []
        for arm in ordered(report):
            known = (arm.get("groups") or {}).get(group, {})
            cells = [
                linkable(
                    percent(found(known.get(value, {}), "accuracy")),
                    Number(arm["arm"], "accuracy", group=(group, value)),
                )
                for value in of
            ]
            gaps = [
                linkable(form(found(arm["measurements"], name)), Number(arm["arm"], name))
                for name, form in (("group_gap", marked), ("bias_delta", signed))
            ]
            if set(cells) - {NOTHING}:
                rows.append([named(arm["arm"]), *cells, *gaps])
        if rows:
            tables.append((f"accuracy by {group}", ["arm", *of, "largest gap of any group", "bias delta"], rows))
    return tables
