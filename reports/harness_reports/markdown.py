"""The whole report as Markdown; no text of the task can become markup."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.safetext import markdown
from harness_reports import (
    deciding,
    differences,
    grouped,
    learning,
    owning,
    provenance,
    quality,
    reliability,
    retrieval,
    spending,
    suites,
)
from harness_reports.figures import findings, footnotes, measured, not_run, ordered, unmeasured
from harness_reports.tables import Named, Table, headed


def render(report: Mapping[str, Any]) -> str:
    run = report["run"]
    lines = [f"# {markdown(run['task']['name'])}: run {markdown(run['id'])}", ""]
    if serious := findings(report):
        lines += [*_list(serious), ""]
    for heading, those in deciding.lines(report, str):
        lines += [f"**{markdown(headed(heading))}**", "", *_list(those), ""]
    columns = [("arm", [arm["arm"] for arm in ordered(report)])]
    columns += [(column.title, column.cells) for column in measured(report)]
    rows = zip(*(cells for _, cells in columns), strict=True)
    lines += _table([title for title, _ in columns], rows)
    lines += ["", *_list([*footnotes(report), *unmeasured(report, str)])]
    for heading, tables, notes in _sections(report, str):
        if tables or notes:
            lines += ["", f"## {markdown(heading)}"]
            for title, titles, cells in tables:
                lines += ["", f"### {markdown(headed(title))}", "", *_table(titles, cells)]
            lines += ["", *_list(notes)] if notes else []
    return "\n".join(lines) + "\n"


def _sections(report: Mapping[str, Any], named: Named) -> Iterator[tuple[str, Sequence[Table], Sequence[str]]]:
    """Heading, tables and notes, in the order of every format."""
    found = deciding.deciding(report, named)
    because = list(found.because) if found else []
    yield "Why", deciding.tables(report, named), [*because, *deciding.notes(report, named)]
    yield "Cost of ownership", owning.tables(report, named), owning.notes(report, named)
    yield "Learning", learning.tables(report, named), []
    yield "Retrieval", retrieval.tables(report, named), []
    yield "Groups", grouped.tables(report, named), []
    yield "Calibration", reliability.tables(report, named), []
    yield "Differences", differences.tables(report, named), differences.notes(report, named)
    yield "Suites", suites.tables(report, named), suites.notes(report)
    yield "Not run", [], not_run(report)
    yield "Money", spending.tables(report), spending.notes(report)
    yield "Quality of the data", quality.tables(report), []
    commands = [f"again: {command}" for command in provenance.commands(report)]
    yield "Environment", provenance.tables(report), [*commands, *provenance.notes(report)]


def _list(lines: Sequence[str]) -> list[str]:
    return [f"- {markdown(line)}" for line in lines]


def _table(titles: Sequence[str], rows: Iterator[Sequence[str]] | Sequence[Sequence[str]]) -> list[str]:
    return [_row(titles), "|" + "---|" * len(titles), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"
