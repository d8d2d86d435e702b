"""A table for the terminal: as many columns as fit the width, the rest named below."""

import io
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.safetext import one_line
from harness_reports import deciding, differences, learning, retrieval, suites
from harness_reports.figures import findings, footnotes, measured, not_run, ordered, short
from harness_reports.tables import Named, naming

LEAST_WIDTH = 60
GUTTER = 2
WIDEST = 40

Column = tuple[str, list[str]]


def render(report: Mapping[str, Any]) -> str:
    """Plain text unless stdout is a terminal that wants colour."""
    width = max(LEAST_WIDTH, shutil.get_terminal_size((120, 24)).columns)
    out = io.StringIO()
    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    console = Console(file=out, width=width, force_terminal=colour, no_color=not colour, highlight=False)
    run = report["run"]
    sizes = ", ".join(f"{name} {size}" for name, size in run["sets"].items())
    title = (run["task"]["name"], f"run {run['id']}", f"questions: {sizes}")
    console.print(Text("  ".join(map(one_line, title))))
    for line in findings(report):
        console.print(Text(one_line(line), style="bold red"))
    named = naming(report)
    for heading, lines in deciding.lines(report, named):
        console.print(Text(one_line(f"{heading}: {lines[0]}" if len(lines) == 1 else heading), style="bold"))
        for line in lines if len(lines) > 1 else ():
            console.print(Padding(Text(one_line(line)), (0, 0, 0, GUTTER), expand=False))
    table, hidden = _table(report, width, named)
    console.print(table)
    for line in (*footnotes(report), *retrieval.lines(report), *hidden):
        console.print(Text(one_line(line), style="dim"))
    for name, titles, rows in suites.tables(report, named):
        console.print(Text(f"\n{one_line(name)}"))
        console.print(_of_texts(titles, rows))
    for line in suites.notes(report):
        console.print(Text(one_line(line), style="dim"))
    for name, titles, rows in learning.tables(report, named):
        console.print(Text(f"\n{one_line(name)}"))
        columns = list(zip(titles, map(list, zip(*rows, strict=True)), strict=True))
        table, hidden = _shown(columns, width)
        console.print(table)
        for line in hidden:
            console.print(Text(one_line(line), style="dim"))
    for name, titles, rows in differences.tables(report, named):
        console.print(Text(f"\n{one_line(name)}"))
        console.print(_of_texts(titles, rows))
    for line in (*differences.notes(report, named), *not_run(report)):
        console.print(Text(one_line(line), style="dim"))
    return out.getvalue()


def _of_texts(titles: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[int] | None = None) -> Table:
    """Without lines; given widths, all columns but the first are figures and stand on the right."""
    table = Table(box=None, pad_edge=False, padding=(0, GUTTER, 0, 0), header_style="bold")
    for number, title in enumerate(titles):
        side: Literal["left", "right"] = "right" if widths and number else "left"
        table.add_column(Text(one_line(title)), justify=side, overflow="fold", width=widths[number] if widths else None)
    for row in rows:
        table.add_row(*(Text(one_line(cell)) for cell in row))
    return table


def _table(report: Mapping[str, Any], width: int, named: Named) -> tuple[Table, list[str]]:
    arms = ordered(report)
    columns: list[Column] = [("arm", [named(arm["arm"]) for arm in arms])]
    columns += [(column.title, column.cells) for column in measured(report, short)]
    return _shown(columns, width)


def _shown(columns: list[Column], width: int) -> tuple[Table, list[str]]:
    """The columns that fit, and a line that names the others."""
    shown = _fitting(columns, width)
    hidden = [title for title, _ in columns[len(shown) :]]
    rows = zip(*(cells for _, cells in shown), strict=True)
    table = _of_texts([title for title, _ in shown], rows, _widths(shown, width))
    notes = [f"not shown at this width: {', '.join(hidden)} (--format markdown or json has all)"] if hidden else []
    return table, notes


def _fitting(columns: list[Column], width: int) -> list[Column]:
    """The leading columns that fit without breaking a cell; the first two always."""
    shown, used = list(columns[:2]), sum(_needed(*column) + GUTTER for column in columns[:2])
    for column in columns[2:]:
        used += _needed(*column) + GUTTER
        if used - GUTTER > width:
            break
        shown.append(column)
    return shown


def _widths(shown: list[Column], width: int) -> list[int]:
    """What each column needs, and its whole title on one line while there is room."""
    widths = [_needed(*column) for column in shown]
    room = width - sum(widths) - GUTTER * (len(shown) - 1)
    for number, (title, _) in enumerate(shown):
        wish = len(title) - widths[number]
        if 0 < wish <= room:
            widths[number] += wish
            room -= wish
    return widths


def _needed(title: str, cells: list[str]) -> int:
    """A title may break between words, a cell not at all; names of strangers' arms may be any length."""
    return min(WIDEST, max(map(len, [*title.split(), *cells])))
