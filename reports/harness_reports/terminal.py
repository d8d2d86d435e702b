"""A table for the terminal: as many columns as fit the width, the rest named below."""

import io
import os
import shutil
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.safetext import one_line
from harness_reports.figures import COLUMNS, footnotes, not_run, ordered, short

LEAST_WIDTH = 60


def render(report: Mapping[str, Any]) -> str:
    """Plain text unless stdout is a terminal that wants colour."""
    width = max(LEAST_WIDTH, shutil.get_terminal_size((120, 24)).columns)
    out = io.StringIO()
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    run = report["run"]
    sizes = ", ".join(f"{name} {size}" for name, size in run["sets"].items())
    console.print(Text(f"{run['task']['name']}  run {run['id']}  questions: {sizes}"))
    table, hidden = _table(report, width)
    console.print(table)
    for line in (*footnotes(report), *hidden, *not_run(report)):
        console.print(Text(one_line(line), style="dim"))
    return out.getvalue()


def _table(report: Mapping[str, Any], width: int) -> tuple[Table, list[str]]:
    arms = ordered(report)
    several = len({(arm["backend"], arm["model"]) for arm in arms if arm["backend"] != "none"}) > 1
    columns: list[tuple[str, list[str]]] = [("arm", [_name(arm, several) for arm in arms])]
    measured = [
        (title, [form(arm["measurements"][name]) for arm in arms])
        for name, title, form in COLUMNS
        if any(name in arm["measurements"] for arm in arms)
    ]
    columns += measured[:1]
    for test in arms[0]["tests"] if arms else ():
        columns.append((f"{test.replace('_', ' ')} %", [short(arm["tests"][test]["accuracy"]) for arm in arms]))
    columns += measured[1:]
    shown, used = [], 0
    for title, cells in columns:
        needed = max(map(len, [*title.split(), *cells])) + 2
        if used + needed > width and len(shown) > 2:
            break
        shown.append((title, cells))
        used += needed
    hidden = [title for title, _ in columns[len(shown) :]]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for number, (title, _) in enumerate(shown):
        table.add_column(Text(title), justify="left" if number == 0 else "right", overflow="fold")
    for row in zip(*(cells for _, cells in shown), strict=True):
        table.add_row(*(Text(one_line(cell)) for cell in row))
    notes = [f"not shown at this width: {', '.join(hidden)} (--format markdown or json has all)"] if hidden else []
    return table, notes


def _name(arm: Mapping[str, Any], several: bool) -> str:
    """The strategy alone where one backend and model ran; the whole arm where there is a choice."""
    return str(arm["arm"] if several else arm["strategy"])
