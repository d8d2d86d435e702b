"""The addresses of the pages, which other documents may name.

| address | page |
|---|---|
| `/` | the runs of the store |
| `/run/RUN` | one run in figures; `?set=` and `?seed=` choose of what |
| `/run/RUN/rows?...` | the rows behind a figure, page by page |
| `/run/RUN/row?set=SET&id=ID&...` | one row; the filter leads to the next and the one before |
| `/run/RUN/report` | the run's report, each number with the address of what is behind it (see `behind`) |
| `/run/RUN/cells?arm=ARM` | what cells used by phase, what was chosen, what was measured of each |

The filter of rows (see `filters.Filter`) is the same on both pages, such as
`/run/RUN/rows?set=test&arm=rag@torch:NAME&right=0&group=gender:female`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

Value = str | int | tuple[str, ...] | None


def run_url(run: str, **chosen: Value) -> str:
    return f"/run/{quote(run, safe='')}{_query(chosen)}"


def report_url(run: str) -> str:
    return f"/run/{quote(run, safe='')}/report"


def cells_url(run: str, arm: str | None = None) -> str:
    return f"/run/{quote(run, safe='')}/cells{_query({'arm': arm})}"


def rows_url(run: str, **filter: Value) -> str:
    """`None` leaves a part of the filter out; several values of one part are given one after another."""
    return f"/run/{quote(run, safe='')}/rows{_query(filter)}"


def row_url(run: str, id: str, **filter: Value) -> str:
    return f"/run/{quote(run, safe='')}/row{_query({'id': id, **filter})}"


def _query(values: Mapping[str, Value]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given, doseq=True)}" if given else ""
