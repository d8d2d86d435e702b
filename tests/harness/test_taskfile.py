"""A bad task file is refused whole, every fault with file and line; a good one is read as written."""

import json
from pathlib import Path

import pytest

from harness.errors import TaskFileError
from harness.taskfile import load_task

TASK = """\
name = "tiny"
kind = "choice"

[data]
train = "train.jsonl"
test = "test.jsonl"

[data.extra_tests]
fresh = { file = "fresh.jsonl", disjoint_by = "topic" }

[fields]
id = "id"
choices = "choices"
cluster = "topic"
together = "pair"
"""


def row(number: int, **changes: object) -> dict[str, object]:
    return {
        "id": f"q{number}",
        "topic": f"t{number}",
        "pair": f"p{number}",
        "question": f"which is {number}?",
        "choices": ["yes", "no"],
        "answer": 0,
        **changes,
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path, "train", [row(n) for n in range(10)])
    write(tmp_path, "test", [row(n) for n in range(10, 14)])
    write(tmp_path, "fresh", [row(n) for n in range(14, 16)])
    (tmp_path / "task.toml").write_text(TASK)
    return tmp_path


def write(folder: Path, name: str, rows: list[dict[str, object]]) -> None:
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))


def faults(folder: Path) -> list[str]:
    with pytest.raises(TaskFileError) as caught:
        load_task(folder / "task.toml")
    return list(caught.value.faults)


def test_a_good_file_is_read(folder: Path) -> None:
    task = load_task(folder / "task.toml")
    assert len(task.test) == 4
    assert task.test.rows[0].question.choices == ("yes", "no")
    assert task.train is not None
    assert task.validation is not None
    held, kept = ({r.cluster for r in s.rows} for s in (task.validation, task.train))
    assert held
    assert not held & kept
    assert len(task.train) + len(task.validation) == 10


def test_any_change_changes_the_fingerprint(folder: Path) -> None:
    before = load_task(folder / "task.toml").fingerprint
    assert load_task(folder / "task.toml").fingerprint == before
    write(folder, "test", [row(n) for n in range(10, 13)])
    assert load_task(folder / "task.toml").fingerprint != before


@pytest.mark.parametrize(
    ("toml", "expected"),
    [
        ('colour = "red"\n' + TASK, "task.toml:1: colour: Extra inputs"),
        (TASK.replace('"choice"', '"chioce"'), "task.toml:2: kind 'chioce' is none of"),
        (
            TASK.replace('test = "test.jsonl"', "test = 3"),
            "task.toml:6: data.test: Input should be a valid string",
        ),
        (TASK.replace('"test.jsonl"', '"tset.jsonl"'), "task.toml:6: data.test: 'tset.jsonl' does not exist"),
        (TASK.replace('"test.jsonl"', '"../test.jsonl"'), "must be a plain path"),
        (TASK.replace('"test.jsonl"', '"/etc/passwd"'), "must be a plain path"),
        (TASK.replace('"test.jsonl"', '"a\\u0000.jsonl"'), "must be a plain path"),
        (TASK.replace('choices = "choices"\n', ""), "needs fields.choices"),
        (TASK + "[", "task.toml: not TOML"),
        ("[" * 100_000, "task.toml: not TOML"),
    ],
)
def test_faults_of_the_toml(folder: Path, toml: str, expected: str) -> None:
    (folder / "task.toml").write_text(toml)
    assert any(expected in fault for fault in faults(folder)), faults(folder)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"answer": 2}, "test.jsonl:1: answer 2 is outside the 2 choices"),
        ({"answer": -1}, "test.jsonl:1: answer -1 is outside"),
        ({"answer": True}, "test.jsonl:1: answer True is none of"),
        ({"answer": "maybe"}, "test.jsonl:1: answer 'maybe' is none of the choices"),
        ({"choices": ["yes"]}, "test.jsonl:1: choices must be a list"),
        ({"choices": ["yes", "yes"]}, "test.jsonl:1: choices repeats"),
        ({"choices": "yes"}, "test.jsonl:1: choices must be a list"),
        ({"question": ""}, "test.jsonl:1: question is empty"),
        ({"question": None}, "test.jsonl:1: question must be text, got NoneType"),
        ({"id": "q11"}, "test.jsonl:2: id 'q11' is also on test.jsonl:1"),
        ({"id": "q3"}, "test.jsonl: id 'q3' is also in train.jsonl"),
        ({"pair": "p3"}, "test.jsonl:1: pair 'p3' must stay together but is also on train.jsonl:4"),
    ],
)
def test_faults_of_a_row(folder: Path, changes: dict[str, object], expected: str) -> None:
    write(folder, "test", [row(10, **changes), row(11)])
    assert any(expected in fault for fault in faults(folder)), faults(folder)


def test_a_disjoint_test_may_not_share(folder: Path) -> None:
    write(folder, "fresh", [row(14, topic="t3")])
    assert any("fresh.jsonl:1: topic 't3' is also on train.jsonl:4" in fault for fault in faults(folder))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "test.jsonl:1: no rows"),
        (b"\n\n", "test.jsonl:1: no rows"),
        (b'{"id": "a"}\n{"id": "\xff"}', "test.jsonl:2: not UTF-8"),
        (b"{", "test.jsonl:1: not JSON"),
        (b"[]", "test.jsonl:1: expected an object, got list"),
        (b'{"answer": NaN}', "test.jsonl:1: not JSON: NaN"),
        (b"[" * 100_000, "test.jsonl:1: not JSON"),
        (b'{"id": "a"}\n{"id": "\\ud800"}', "test.jsonl:2: holds half of a surrogate pair"),
    ],
)
def test_faults_of_a_file(folder: Path, content: bytes, expected: str) -> None:
    (folder / "test.jsonl").write_bytes(content)
    assert any(expected in fault for fault in faults(folder)), faults(folder)


def test_all_faults_are_told_together(folder: Path) -> None:
    write(folder, "test", [row(40, answer=5), row(41, question="")])
    write(folder, "train", [row(n, choices=[]) for n in range(30)])
    told = faults(folder)
    assert sum(fault.startswith("test.jsonl") for fault in told) == 2
    assert told[-1] == "train.jsonl: 10 more faults"


def test_a_link_out_of_the_folder_is_refused(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside") / "test.jsonl"
    outside.write_text(json.dumps(row(1)))
    (folder / "test.jsonl").unlink()
    (folder / "test.jsonl").symlink_to(outside)
    assert any("is a link that leaves" in fault for fault in faults(folder))


def test_separated_files_and_labels(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(
        'name = "t"\nkind = "classification"\n[data]\ntest = "x.tsv"\n'
        '[fields]\ncolumns = ["text", "label"]\nquestion = "text"\nanswer = "label"\n'
    )
    (tmp_path / "x.tsv").write_bytes("\ufeffbonjour\tgood_day\nau revoir\tbye\n".encode())
    task = load_task(tmp_path / "task.toml")
    assert task.labels == ("bye", "good_day")
    assert [r.gold for r in task.test.rows] == [1, 0]
    assert task.test.rows[0].question.choices == ("bye", "good day")
    (tmp_path / "x.tsv").write_text("bonjour\n")
    assert "x.tsv:1: 1 fields where 2 belong" in faults(tmp_path)
