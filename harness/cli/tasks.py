"""`harness task list|check`."""

from __future__ import annotations

from pathlib import Path

import click

from harness.cli.inventory import json_option, show
from harness.find import task_path
from harness.registry import load_registry


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
@json_option
def check(name: str, data: Path | None, as_json: bool) -> None:
    """Read a task whole and say what it holds; every fault with file and line, exit 2."""
    from harness.taskfile import load_task

    found = load_task(task_path(load_registry(), name), data)
    splits = {"train": found.train, "validation": found.validation, **found.question_sets}
    show(
        (
            {
                "set": split,
                "questions": len(rows),
                "clusters": len({row.cluster for row in rows.rows}),
                "choices": "-".join(map(str, sorted({len(row.question.choices) for row in rows.rows}))),
            }
            for split, rows in splits.items()
            if rows is not None
        ),
        as_json,
    )
