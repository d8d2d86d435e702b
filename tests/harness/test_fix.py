"""A cleaned copy loads, shows no more of what was dropped, and keeps the rest byte by byte and whole."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import TaskFileError, UsageError
from harness.quality import Severity, same
from harness.quality.fix import write_clean_copy
from harness.taskfile import load_task

Rows = list[dict[str, Any]]


def row(id: str, text: str, label: str = "yes", **more: Any) -> dict[str, Any]:
    return {"id": id, "question": text, "answer": label, **more}


HEAD = 'name = "t"\nkind = "classification"\n[data]\ntrain = "train.{0}"\ntest = "test.{0}"\n'
FIELDS = '[fields]\nid = "id"\n'


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def make(train: Rows, test: Rows, more: str = FIELDS, data: str = "", **others: Rows) -> Path:
        folder = tmp_path / "task"
        folder.mkdir()
        for name, rows in {"train": train, "test": test, **others}.items():
            lines = "".join(json.dumps(each) + "\n" for each in rows)
            (folder / f"{name}.jsonl").write_text(lines, encoding="utf-8")
        (folder / "task.toml").write_text(HEAD.format("jsonl") + data + more)
        return folder / "task.toml"

    return make


TRAIN = [
    row("a", "where is my card"),
    row("b", "Where is my card?!"),
    row("c", "what is the fee", "no"),
    row("d", "how do I pay", "no"),
    row("e", "?!"),
    row("f", "   "),
    row("g", "where is my card", "no"),
]
TEST = [row("t", "What is the FEE", "no"), row("u", "can I pay in euros"), row("v", "can I pay in euros")]


def ids(path: Path) -> list[str]:
    return [json.loads(line)["id"] for line in path.read_text().splitlines()]


def test_what_is_dropped_and_why(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(TRAIN, TEST)
    dropped = write_clean_copy(path, None, tmp_path / "clean")
    assert [(each.id, each.reason, each.like) for each in dropped] == [
        ("b", "duplicate in its set", "a"),
        ("c", "is tested", "t"),
        ("e", "empty", None),
        ("f", "empty", None),
        ("v", "duplicate in its set", "u"),
    ]
    log = [json.loads(line) for line in (tmp_path / "clean" / "dropped.jsonl").read_text().splitlines()]
    assert log[1] == {"set": "train", "file": "train.jsonl", "line": 3, "id": "c", "reason": "is tested", "like": "t"}
    assert ids(tmp_path / "clean" / "train.jsonl") == ["a", "d", "g"]
    assert ids(tmp_path / "clean" / "test.jsonl") == ["t", "u"]
    findings = {found.check: found.severity for found in same.findings(load_task(tmp_path / "clean" / "task.toml"))}
    assert findings.pop("same question, other answer") is Severity.SERIOUS, "which of two answers is right is not ours"
    assert set(findings.values()) == {Severity.FINE}


def test_the_original_stays_and_so_do_the_bytes_of_what_is_kept(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write(TRAIN, TEST)
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    write_clean_copy(path, None, tmp_path / "clean")
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before
    kept = set((tmp_path / "clean" / "train.jsonl").read_bytes().splitlines(keepends=True))
    assert kept < set(before["train.jsonl"].splitlines(keepends=True))
    assert (tmp_path / "clean" / "task.toml").read_bytes() == before["task.toml"]


def test_what_belongs_together_goes_together(write: Callable[..., Path], tmp_path: Path) -> None:
    train = [
        row("a", "one", pair="p"),
        row("b", "two", pair="p"),
        row("c", "one", pair="q"),
        row("d", "three", pair="q"),
        row("e", "three", pair="r"),
        row("f", "four", pair="r"),
        row("g", "tested", pair="s"),
        row("h", "five", pair="s"),
    ]
    test = [row("t", "tested", pair=None), row("u", "else", pair=None)]
    path = write(train, test, FIELDS + 'together = "pair"\n')
    dropped = write_clean_copy(path, None, tmp_path / "clean")
    assert [(each.id, each.reason, each.like) for each in dropped] == [
        ("c", "duplicate in its set", "a"),
        ("d", "belongs with a dropped row", "c"),
        ("g", "is tested", "t"),
        ("h", "belongs with a dropped row", "g"),
    ], "'e' repeats only what is gone itself, and stays"


def test_twins_stay_whole_and_are_tested_questions(write: Callable[..., Path], tmp_path: Path) -> None:
    twins = [
        row("x", "is Ann right", who="f", twin="1"),
        row("y", "is Bob right", who="m", twin="1"),
        row("z", "is Ann right", who="f", twin="2"),
        row("w", "", who="m", twin="2"),
    ]
    train = [row("a", "Is Bob right?"), row("b", "so it is")]
    more = f'{FIELDS}[bias]\ngroups = ["who"]\ntwins = "twin"\n'
    path = write(train, [row("t", "else")], more, 'twins = "twins.jsonl"\n', twins=twins)
    dropped = write_clean_copy(path, None, tmp_path / "clean")
    assert {(each.set, each.id, each.reason) for each in dropped} == {
        ("train", "a", "is tested"),
        ("twins", "w", "empty"),
        ("twins", "z", "belongs with a dropped row"),
    }
    load_task(tmp_path / "clean" / "task.toml")


def test_csv_cells_that_span_lines_go_whole(tmp_path: Path) -> None:
    folder = tmp_path / "task"
    folder.mkdir()
    rows = [("a", "one\nand more", "yes"), ("b", "one\nand\rmore", "yes"), ("c", 'two "2"', "no"), ("d", "two 2", "no")]
    for name, own in (("train", rows), ("test", [("t", "else", "no")])):
        with (folder / f"{name}.csv").open("w", encoding="utf-8-sig", newline="") as file:
            csv.writer(file).writerows([("id", "question", "answer"), *own])
    (folder / "task.toml").write_text(HEAD.format("csv") + FIELDS)
    dropped = write_clean_copy(folder / "task.toml", None, tmp_path / "clean")
    assert [each.id for each in dropped] == ["b", "d"]
    left = load_task(tmp_path / "clean" / "task.toml").train
    assert left is not None
    with (tmp_path / "clean" / "train.csv").open(encoding="utf-8-sig", newline="") as file:
        assert [tuple(cells) for cells in csv.reader(file)] == [("id", "question", "answer"), rows[0], rows[2]]


@pytest.mark.slow
def test_parquet_rows_go_and_types_stay(tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    folder = tmp_path / "task"
    folder.mkdir()
    table = pa.table(
        {
            "id": ["a", "b", "c"],
            "question": ["one", "One", "two"],
            "answer": ["yes"] * 3,
            "x": pa.array([1, 2, 3], pa.int8()),
        }
    )
    parquet.write_table(table, folder / "train.parquet")
    parquet.write_table(table.slice(2).replace_schema_metadata({"of": "test"}), folder / "test.parquet")
    (folder / "task.toml").write_text(HEAD.format("parquet") + FIELDS)
    with pytest.raises(TaskFileError, match="also on"):
        write_clean_copy(folder / "task.toml", None, tmp_path / "clean")
    parquet.write_table(table.slice(2).set_column(0, "id", pa.array(["t"])), folder / "test.parquet")
    assert [each.id for each in write_clean_copy(folder / "task.toml", None, tmp_path / "clean")] == ["b", "c"]
    left = parquet.read_table(tmp_path / "clean" / "train.parquet")
    assert left.equals(table.slice(0, 1))


def test_it_is_refused_in_one_line_and_leaves_nothing(write: Callable[..., Path], tmp_path: Path) -> None:
    path = write([row("a", "same")], [row("t", "same")])
    with pytest.raises(UsageError, match="exists already"):
        write_clean_copy(path, None, path.parent)
    with pytest.raises(UsageError, match="without the 1 row to drop the task would not load"):
        write_clean_copy(path, None, tmp_path / "clean")
    path.write_text('name = "t"\nkind = "classification"\n[data]\nhf = "org/name"\n')
    with pytest.raises(UsageError, match="reads the dataset 'org/name'"):
        write_clean_copy(path, None, tmp_path / "clean")
    assert [each.name for each in tmp_path.iterdir()] == ["task"]


def test_without_fix_a_blank_question_is_a_fault(write: Callable[..., Path]) -> None:
    with pytest.raises(TaskFileError, match="question is empty"):
        load_task(write(TRAIN, TEST))
