"""`harness task list|check`."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.cli.inventory import json_option, show
from harness.find import task_path
from harness.registry import load_registry

if TYPE_CHECKING:
    from harness.quality import Finding
    from harness.quality.fix import Dropped
    from harness.types import QuestionSet

SHOWN = 3
"""Ids of each finding in the table; `--json` has more."""


@click.group()
def task() -> None:
    """Bundled tasks, and checking your own."""


@task.command("list")
@json_option
def list_tasks(as_json: bool) -> None:
    """Tasks that plugins bring."""
    show(({"name": spec.name, "summary": spec.summary} for spec in load_registry().tasks), as_json)


@task.command()
@click.argument("name")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False, exists=True), help="Where its data lies.")
@click.option("--no-encoder", is_flag=True, help="Leave out what only vectors show; loads no model.")
@click.option(
    "--fix",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Write a copy there without empty questions, duplicates in a set and training rows that are tested; check it.",
)
@json_option
def check(name: str, data: Path | None, no_encoder: bool, fix: Path | None, as_json: bool) -> None:
    """Read a task whole and say what it holds, and whether a result on it would mean what it seems to.

    Every fault is told with file and line, exit 2; a finding is told with its figures, exit 0.
    """
    from harness.quality import check as look
    from harness.quality import counted
    from harness.quality.embedding import encoder
    from harness.taskfile import load_task

    registry = load_registry()
    path, dropped = task_path(registry, name), None
    if fix is not None:
        from harness.quality.fix import write_clean_copy

        dropped = write_clean_copy(path, data, fix)
        path, data = fix / "task.toml", None
    found = load_task(path, data)
    known = None if no_encoder else encoder(registry)
    if known is not None:
        click.echo("embedding questions, choices and documents", err=True)
    findings = look(found, known.embed, known.most_tokens) if known is not None else look(found)
    splits = {"train": found.train, "validation": found.validation, **found.question_sets}
    sizes = [_size(split, rows) for split, rows in splits.items() if rows is not None]
    if as_json:
        document = {"task": found.name, "sets": sizes, "findings": [asdict(finding) for finding in findings]}
        if dropped is not None:
            document |= {"folder": str(fix), "dropped": [asdict(each) for each in dropped]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    if dropped is not None:
        click.echo(f"{fix} is a copy of the task without {counted(len(dropped), 'row')}; its dropped.jsonl names them")
        show(_reasons(dropped), False)
        click.echo()
    show(sizes, False)
    click.echo()
    show((_row(finding) for finding in findings), False)


def _size(split: str, rows: QuestionSet) -> dict[str, object]:
    return {
        "set": split,
        "questions": len(rows),
        "clusters": len({row.cluster for row in rows.rows}),
        "choices": "-".join(map(str, sorted({len(row.question.choices) for row in rows.rows}))),
    }


def _reasons(dropped: Sequence[Dropped]) -> list[dict[str, object]]:
    counts = Counter((each.set, each.reason) for each in dropped)
    return [{"set": name, "reason": reason, "rows": count} for (name, reason), count in counts.items()]


def _row(finding: Finding) -> dict[str, object]:
    examples = "; ".join(finding.examples[:SHOWN]) + ("; ..." if len(finding.examples) > SHOWN else "")
    told = f"{finding.told} ({examples})" if examples else finding.told
    return {"severity": finding.severity, "check": finding.check, "where": finding.where, "found": told}
