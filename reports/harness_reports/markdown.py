"""The same table as Markdown; no text of the task can become markup."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.safetext import markdown
from harness_reports import differences, learning, suites
from harness_reports.figures import findings, footnotes, found, measured, not_run, ordered, percent


def render(report: Mapping[str, Any]) -> str:
    arms, run = ordered(report), report["run"]
    accuracy, *others = measured(report)
    names = arms[0]["tests"] if arms else ()
    tests = [(name, [percent(found(arm["tests"][name], "accuracy")) for arm in arms]) for name in names]
    columns = [("arm", [arm["arm"] for arm in arms]), accuracy, *tests, *others]
    lines = [f"# {markdown(run['task']['name'])}: run {markdown(run['id'])}", ""]
    if serious := findings(report):
        lines += [*(f"- {markdown(line)}" for line in serious), ""]
    lines += [_row([title for title, _ in columns]), "|" + "---|" * len(columns)]
    lines += [_row(cells) for cells in zip(*(cells for _, cells in columns), strict=True)]
    lines.append("")
    lines += [f"- {markdown(line)}" for line in footnotes(report)]
    told = list(suites.tables(report))
    told += [(name.capitalize(), titles, rows) for name, titles, rows in learning.tables(report)]
    told += [(f"Differences on {name}", titles, rows) for name, titles, rows in differences.tables(report)]
    for heading, titles, rows in told:
        lines += ["", f"## {markdown(heading)}", "", _row(titles), "|" + "---|" * len(titles), *map(_row, rows)]
    lines.append("")
    lines += [f"- {markdown(line)}" for line in (*suites.notes(report), *differences.notes(report), *not_run(report))]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"
