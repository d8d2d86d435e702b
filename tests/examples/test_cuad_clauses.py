"""Contract clauses, read from the TSV files as they are."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

import harness
from harness.registry import load_registry
from harness.taskfile import load_task
from harness.types import Row
from tests.conftest import REPOSITORY

TASK = REPOSITORY / "examples" / "cuad_clauses" / "task.toml"


@pytest.fixture
def folder(real_data: Path) -> Path:
    if not (real_data / "cuad_clauses").is_dir():
        pytest.skip("cuad_clauses is not among the public data sets here")
    return real_data / "cuad_clauses"


@pytest.mark.realdata
def test_every_clause_is_read_and_none_lies_on_both_sides(folder: Path) -> None:
    task = load_task(TASK, folder)
    assert task.train is not None
    assert task.validation is not None
    trained = [*task.train.rows, *task.validation.rows]
    assert (len(trained), len(task.test), len(task.labels)) == (3381, 1448, 35)

    def clauses(rows: Iterable[Row]) -> set[str]:
        return {" ".join(row.question.text.lower().split()) for row in rows}

    assert not clauses(trained) & clauses(task.test.rows)


@pytest.mark.realdata
def test_words_alone_reach_79_percent(folder: Path, tmp_path: Path) -> None:
    finished = harness.run(TASK, strategies=["tfidf"], data=folder, store=tmp_path, registry=load_registry())
    (arm,) = finished.report["table"]
    assert arm["measurements"]["accuracy"]["n"] == 1448
    assert arm["measurements"]["accuracy"]["value"] >= 79.0
