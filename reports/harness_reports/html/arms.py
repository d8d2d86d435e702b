"""Arms as charts call them: by their place in the table, which no two share, and their name."""

from collections.abc import Mapping
from typing import Any

from harness_reports.figures import ordered
from harness_reports.html.inert import label
from harness_reports.tables import Named

LONGEST = 60


def numbered(report: Mapping[str, Any], named: Named) -> dict[str, str]:
    """The arm's full name -> `3 lora+rag`, best first."""
    return {arm["arm"]: f"{place} {label(named(arm['arm']), LONGEST)}" for place, arm in enumerate(ordered(report), 1)}
