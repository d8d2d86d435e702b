"""The same table as Markdown; no text of the task can become markup."""

from collections.abc import Mapping, Sequence
from typing import Any

from harness.safetext import markdown
from harness_reports.figures import COLUMNS, footnotes, not_run, ordered, percent


def render(report: Mapping[str, Any]) -> str:
    arms, run = ordered(report), report["run"]
    tests = list(arms[0]["tests"]) if arms else []
    header = ["arm", *(title for _, title, _ in COLUMNS[:1]), *tests, *(title for _, title, _ in COLUMNS[1:])]
    lines = [f"# {markdown(run['task']['name'])}: run {markdown(run['id'])}", "", _row(header)]
    lines.append("|" + "---|" * len(header))
    for arm in arms:
        found = [form(arm["measurements"][name]) if name in arm["measurements"] else "—" for name, _, form in COLUMNS]
        others = [percent(arm["tests"][test]["accuracy"]) for test in tests]
        lines.append(_row([arm["arm"], found[0], *others, *found[1:]]))
    lines.append("")
    lines += [f"- {markdown(line)}" for line in (*footnotes(report), *not_run(report))]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(markdown(cell) for cell in cells) + " |"
