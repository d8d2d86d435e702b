"""What the test questions of other tasks showed: a table for each suite, and why one was not asked."""

from collections.abc import Mapping
from typing import Any

from harness.plugin import Number
from harness_reports.figures import NOTHING, found, linkable, ordered, percent
from harness_reports.tables import Named, Table

COLUMNS = (
    ("accuracy", "accuracy %"),
    ("bbq_s_dis", "s_DIS"),
    ("bbq_s_amb", "s_AMB"),
    ("pro_anti_gap", "pro - anti"),
    ("pronoun_consistency", "same for he and she %"),
    ("gotcha_gap", "gotcha gap"),
    ("stereotype_share", "stereotyping %"),
)


def tables(report: Mapping[str, Any], named: Named = str) -> list[Table]:
    """(suite, titles, rows): each arm with every figure that was measured on the suite."""
    arms = ordered(report)
    tables = []
    for name in arms[0].get("suites", ()) if arms else ():
        cells = {
            title: [linkable(percent(found(arm["suites"][name], key)), Number(arm["arm"], key, name)) for arm in arms]
            for key, title in COLUMNS
        }
        shown = {title: column for title, column in cells.items() if set(column) - {NOTHING}}
        rows = [[named(arm["arm"]), *(column[place] for column in shown.values())] for place, arm in enumerate(arms)]
        tables.append(("suite " + name.removeprefix("suite_").replace("_", "-"), ["arm", *shown], rows))
    return tables


def notes(report: Mapping[str, Any]) -> list[str]:
    """By what pairs were judged, where it is no likelihood, and why a suite was not asked."""
    pairs = [found(suite, "stereotype_share") for arm in report["table"] for suite in arm.get("suites", {}).values()]
    told = {f"stereotyping: {pair['reason']}" for pair in pairs if pair["value"] is not None and pair["reason"]}
    unasked = report["run"].get("unasked", {})
    return [*sorted(told), *(f"not asked: {name}: {reason}" for name, reason in unasked.items())]
