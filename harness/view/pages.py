"""Templates -> HTML: every text is escaped, and no control or direction character of a stranger is let through."""

from __future__ import annotations

import time
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from harness.safetext import plain
from harness.view.links import cells_url, report_url, row_url, rows_url, run_url


def environment() -> Environment:
    made = Environment(
        loader=PackageLoader("harness.view"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_inert,
    )
    made.globals.update(run_url=run_url, rows_url=rows_url, row_url=row_url, report_url=report_url, cells_url=cells_url)
    made.filters["when"] = lambda created: time.strftime("%Y-%m-%d %H:%M", time.localtime(created))
    return made


def _inert(value: Any) -> Any:
    """What a template made itself is left as it is."""
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value
