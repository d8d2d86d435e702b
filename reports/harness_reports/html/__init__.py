"""The report as one HTML page to be read in a meeting: no script, no request, charts as SVG within it."""

from collections.abc import Mapping
from typing import Any

from harness.plugin import Links
from harness.registry import require


def render(report: Mapping[str, Any]) -> str:
    """Raises `MissingDependency` where what draws the charts is not installed."""
    return linked(report, lambda number: None)


def linked(report: Mapping[str, Any], links: Links) -> str:
    """With a link at every number that has an address."""
    require("html", ("vl_convert",), "html")
    from harness_reports.html.page import page

    return page(report, links)
