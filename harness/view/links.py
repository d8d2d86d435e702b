"""The addresses of the pages, which other documents may name.

| address | page |
|---|---|
| `/` | the runs of the store |
| `/run/RUN` | one run in figures; `?set=` and `?seed=` choose of what |
| `/run/RUN/rows?...` | the rows behind a figure, page by page |
| `/run/RUN/row?set=SET&id=ID&...` | one row; the filter leads to the next and the one before |

The filter of rows (see `filters.Filter`) is the same on both pages, such as
`/run/RUN/rows?set=test&arm=rag@torch:NAME&right=0&group=gender:female`.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode


def run_url(run: str, **chosen: str | int | None) -> str:
    return f"/run/{quote(run, safe='')}{_query(chosen)}"


def rows_url(run: str, **filter: str | int | None) -> str:
    """`None` leaves a part of the filter out."""
    return f"/run/{quote(run, safe='')}/rows{_query(filter)}"


def row_url(run: str, id: str, **filter: str | int | None) -> str:
    return f"/run/{quote(run, safe='')}/row{_query({'id': id, **filter})}"


def _query(values: Mapping[str, str | int | None]) -> str:
    given = {name: value for name, value in values.items() if value is not None}
    return f"?{urlencode(given)}" if given else ""
