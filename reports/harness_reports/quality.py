"""What the checks of the task found, in a table for any format."""

from collections.abc import Mapping
from typing import Any

from harness_reports.tables import Table


def tables(report: Mapping[str, Any]) -> list[Table]:
    """Every finding, with how many questions show it; nothing where nothing was found."""
    rows = [
        [found["check"], str(found["severity"]), found["where"], found["told"], str(found.get("count") or "")]
        for found in report["run"].get("findings", ())
    ]
    titles = ["check", "severity", "where", "told", "count"]
    return [("what the checks of the task found", titles, rows)] if rows else []


def serious(report: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Findings because of which a result on this task means something else than it seems to."""
    return [found for found in report["run"].get("findings", ()) if found["severity"] == "serious"]
