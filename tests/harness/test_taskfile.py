"""A bad task file is refused whole, every fault with file and line; a good one is read as written."""

import json
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from harness.errors import TaskFileError
from harness.safetext import one_line
from harness.taskfile import load_task
from harness.taskfile.lines import key_lines, line_of

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
    told = list(caught.value.faults)
    assert all(fault == one_line(fault) for fault in told)
    return told


def change(folder: Path, *changes: tuple[str, str]) -> None:
    """Replace pieces of the task file; a piece that is not there is a mistake of the test."""
    text = (folder / "task.toml").read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "task.toml").write_text(text)


def make(folder: Path, toml: str, **files: str | bytes) -> Path:
    """A task of the given texts; `train_csv` becomes `train.csv`."""
    (folder / "task.toml").write_text(toml)
    for name, content in files.items():
        path = folder / ".".join(name.rsplit("_", 1))
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


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
        ('colour = "red"\n' + TASK, "task.toml:1: unknown key 'colour'; known: bias, criteria, data"),
        (TASK.replace('"choice"', '"chioce"'), "task.toml:2: kind 'chioce' is none of"),
        (
            TASK.replace('test = "test.jsonl"', "test = 3"),
            "task.toml:6: data.test must be text, got a number",
        ),
        (TASK.replace('"test.jsonl"', '"tset.jsonl"'), "task.toml:6: data.test: 'tset.jsonl' does not exist"),
        (TASK.replace('"test.jsonl"', '"../test.jsonl"'), "must be a plain path"),
        (TASK.replace('"test.jsonl"', '"/etc/passwd"'), "must be a plain path"),
        (TASK.replace('"test.jsonl"', '"a\\u0000.jsonl"'), "must be a plain path"),
        (TASK.replace('choices = "choices"\n', ""), "needs fields.choices"),
        (TASK + "[", "task.toml:16: not TOML: "),
        ("[" * 100_000, "task.toml:1: not TOML: "),
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
        ({"question": None}, "test.jsonl:1: question must be text, got nothing"),
        ({"id": "q11"}, "test.jsonl:2: id 'q11' is also on test.jsonl:1"),
        ({"id": "q3"}, "test.jsonl:1: id 'q3' is also on train.jsonl:4"),
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
        (b"[]", "test.jsonl:1: expected an object, got a list"),
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


# -- the TOML ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"kind": "3"}, "task.toml:2: kind must be text, got a number"),
        ({"name": '"T x"'}, "task.toml:1: name 'T x' must be of lower-case letters"),
        ({"primary": '"f1"'}, "task.toml:3: primary 'f1' is none of accuracy, macro_f1"),
        ({"data": '"x"'}, "task.toml:3: data must be a table, got text"),
        ({"fields.question": "[]"}, "task.toml:3: fields.question must not be empty"),
        ({"fields.question": '["a", ""]'}, "task.toml:3: fields.question holds an empty name"),
        ({"fields.question": '["a", 1, 2]'}, "task.toml:3: fields.question must hold texts only, got a number"),
        ({"fields.question": "3"}, "task.toml:3: fields.question must be text or a list of texts, got a number"),
        ({"fields.question": '["a", "a"]'}, "task.toml:3: fields.question names 'a' twice"),
        ({"fields.id": '""'}, "task.toml:3: fields.id must not be empty"),
        ({"fields.answr": '"x"'}, "task.toml:3: fields: unknown key 'answr'; did you mean 'answer'?"),
        ({"fields.choices": '["a"]'}, "task.toml:3: fields.choices must name at least two columns"),
        ({"fields.columns": '["a"]'}, "task.toml:3: fields.columns is for CSV and TSV"),
        ({"fields.evidence": '"d"'}, "task.toml:3: fields.evidence needs data.documents"),
        ({"labels": '{a = "b"}'}, "task.toml:3: [labels]: kind 'choice' has choices, not labels"),
        ({"bias.positive": '"a"'}, "task.toml:3: bias.positive is one of the labels, which kind 'choice' has not"),
        ({"bias.groups": '[""]'}, "task.toml:3: bias.groups holds an empty name"),
        ({"bias.twins": '"p"'}, "task.toml:3: bias.twins needs data.twins"),
        ({"data.twins": '"test.jsonl"'}, "task.toml:3: data.twins needs bias.twins"),
        ({"data.train": '"test.jsonl"'}, "task.toml:4: data.test: 'test.jsonl' is data.train already"),
        ({"data.extra_tests.x": "3"}, "task.toml:3: data.extra_tests.x must be text or a table, got a number"),
        (
            {"data.extra_tests.x": '{file = "x.jsonl", flie = ""}'},
            "task.toml:3: data.extra_tests.x: unknown key 'flie'",
        ),
        ({"data.extra_tests.x": '{disjoint_by = "a"}'}, "task.toml:3: data.extra_tests.x.file is missing"),
        ({"data.extra_tests.x": '"no.jsonl"'}, "task.toml:3: data.extra_tests.x: 'no.jsonl' does not exist"),
        ({"data.train": f'"{"a" * 5000}.jsonl"'}, "task.toml:3: data.train: '" + "a" * 59 + "…': File name too long"),
        ({"description": "9" * 5000}, "task.toml:3: not TOML: a number of more than 4,300 digits"),
        *(
            ({f"data.extra_tests.{name}": '"x.jsonl"'}, f"task.toml:3: data.extra_tests.{name}: the harness has a set")
            for name in ("train", "validation", "test", "twins", "documents", "train_sample", "validation_sample")
        ),
        ({'data.extra_tests."\\u001b[31m|x"': '"x.jsonl"'}, "task.toml:3: data.extra_tests: '\\x1b[31m|x' must be of"),
        ({'data.extra_tests.""': '"x.jsonl"'}, "task.toml:3: data.extra_tests: '' must be of"),
        ({"data.extra_tests.Test": '"x.jsonl"'}, "task.toml:3: data.extra_tests: 'Test' must be of"),
    ],
)
def test_each_wrong_key_is_one_fault_with_its_line(tmp_path: Path, changes: dict[str, str], expected: str) -> None:
    keys = {"name": '"t"', "kind": '"choice"', **changes}
    for key, value in {"data.test": '"test.jsonl"', "fields.choices": '"choices"'}.items():
        if key.split(".")[0] not in changes:  # `data = "x"` leaves no room for data.test
            keys.setdefault(key, value)
    (tmp_path / "task.toml").write_text("".join(f"{key} = {value}\n" for key, value in keys.items()))
    write(tmp_path, "test", [row(0)])
    write(tmp_path, "x", [row(1)])
    assert [fault for fault in faults(tmp_path) if expected in fault], faults(tmp_path)
    assert len(faults(tmp_path)) == 1


def test_missing_keys_are_named(tmp_path: Path) -> None:
    make(tmp_path, 'name = "t"\n[data]\ntrain = "x"\n')
    assert faults(tmp_path) == ["task.toml:1: kind is missing", "task.toml:2: data.test is missing"]
    (tmp_path / "task.toml").write_bytes(b'name = "t"\n# caf\xe9\n')
    assert faults(tmp_path) == ["task.toml:2: not UTF-8 (byte 16); save the file as UTF-8"]


def test_lines_are_those_of_keys_and_not_of_what_looks_like_them() -> None:
    text = (
        'a = """\nb = 1\n[c]\n"""  # b = 2\n'
        "b = [\n  1, # ]\n  2]\n"
        '"c d".e = {f = 1, "g\\u0041" = {h = "}"}, i = 2}\n'
        "[[x.y]]\n'z' = '#'\n[ q . r ]\ns=1.5"
    )
    tomllib.loads(text)
    expected = {("a",): 1, ("b",): 5, ("c d", "e", "i"): 8, ("c d", "e", "gA", "h"): 8, ("x", "y"): 9}
    expected |= {("x", "y", "z"): 10, ("q", "r"): 11, ("q", "r", "s"): 12, ("q", "r", "absent"): 11, ("absent",): 1}
    assert {where: line_of(key_lines(text), where) for where in expected} == expected


# -- columns -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            '"pair"',
            '"pear"',
            "task.toml:15: fields.together: no row of train.jsonl has a column 'pear'; its columns are",
        ),
        ('"pair"', '"pear"', "task.toml:15: fields.together: no row of fresh.jsonl has a column 'pear'"),
        (
            'cluster = "topic"',
            'cluster = "top"',
            "task.toml:14: fields.cluster: no row of test.jsonl has a column 'top'",
        ),
        ('by = "topic"', 'by = "top"', "task.toml:9: data.extra_tests.fresh.disjoint_by: no row of fresh.jsonl"),
        ('by = "topic"', 'by = "top"', "task.toml:9: data.extra_tests.fresh.disjoint_by: no row of train.jsonl"),
        ('"choices"', '"choice"', "task.toml:13: fields.choices: no row of train.jsonl has a column 'choice'"),
        ("[fields]", '[bias]\ngroups = ["sex"]\n[fields]', "task.toml:12: bias.groups: no row of test.jsonl has a"),
    ],
)
def test_a_misspelt_column_is_told_once_per_file(folder: Path, old: str, new: str, expected: str) -> None:
    change(folder, (old, new))
    told = faults(folder)
    assert sum(fault.startswith(expected) for fault in told) == 1
    assert all(fault.startswith("task.toml:") for fault in told)


def test_a_column_of_every_row_may_not_lack_in_one(folder: Path) -> None:
    rows = [row(n) for n in range(10)]
    del rows[1]["pair"]
    rows[2]["topic"] = None
    write(folder, "train", rows)
    assert faults(folder) == [
        "train.jsonl:2: column 'pair' is missing; the row has 'id', 'topic', 'question', 'choices', 'answer'",
        "train.jsonl:3: topic must be text, got nothing",
    ]
    write(folder, "train", [row(n, pair=None) for n in range(10)])
    assert load_task(folder / "task.toml").train is not None


def test_what_ties_rows_is_compared_as_text(folder: Path) -> None:
    write(folder, "train", [row(0, pair=1, topic=7), row(1)])
    write(folder, "test", [row(10, pair="1")])
    write(folder, "fresh", [row(14, pair=1.0, topic="7")])
    assert faults(folder) == [
        "test.jsonl:1: pair '1' must stay together but is also on train.jsonl:1",
        "fresh.jsonl:1: pair '1' must stay together but is also on train.jsonl:1",
        "fresh.jsonl:1: topic '7' is also on train.jsonl:1",
    ]
    write(folder, "fresh", [row(14, pair={"a": 1}, topic="")])
    change(folder, ('cluster = "topic"\n', ""))
    assert "fresh.jsonl:1: pair must be text, got an object" in faults(folder)
    write(folder, "fresh", [row(14, topic="")])
    assert "fresh.jsonl:1: topic is empty, but fresh must be disjoint by it" in faults(folder)


def test_made_validation_keeps_together_what_belongs_together(folder: Path) -> None:
    rows = [row(n, topic=f"t{n % 30}", pair=f"p{n % 40 // 2}" if n % 3 else None) for n in range(120)]
    write(folder, "train", rows)
    write(folder, "test", [row(200)])
    write(folder, "fresh", [row(201)])
    task = load_task(folder / "task.toml")
    assert task.train is not None
    assert task.validation is not None
    sides = {r.question.id: "train" for r in task.train.rows} | {r.question.id: "held" for r in task.validation.rows}
    for column in ("topic", "pair"):
        found: dict[Any, set[str]] = {}
        for each in rows:
            if each[column] is not None:
                found.setdefault(each[column], set()).add(sides[str(each["id"])])
        assert all(len(side) == 1 for side in found.values())


def test_ids_that_nobody_gives_are_of_the_set(folder: Path) -> None:
    change(folder, ('id = "id"\n', ""), ('cluster = "topic"\n', ""))
    assert [r.question.id for r in load_task(folder / "task.toml").extra_tests["fresh"].rows] == ["fresh-1", "fresh-2"]


# -- labels --------------------------------------------------------------------------------------------

LABELS = 'name = "t"\nkind = "classification"\n[data]\ntrain = "train.csv"\ntest = "test.csv"\n'
TRAIN = "question,answer\n" + "".join(f"text {n},{'yes' if n % 2 else 'no'}\n" for n in range(20))


def test_labels_are_those_that_are_trained_on(tmp_path: Path) -> None:
    make(tmp_path, LABELS, train_csv=TRAIN, test_csv="question,answer\na,yes\nb,maybe\n")
    assert faults(tmp_path) == [
        "test.csv:3: answer 'maybe' occurs in no training row; list it under [labels] if it is meant"
    ]
    make(tmp_path, LABELS + '[labels]\nyes = ""\nno = ""\nmaybe = "who knows"\n')
    assert load_task(tmp_path / "task.toml").test.rows[1].question.choices == ("yes", "no", "who knows")
    make(tmp_path, LABELS + '[labels]\nyes = ""\nno = ""\n')
    assert faults(tmp_path) == ["test.csv:3: answer 'maybe' is none of the 2 labels"]
    make(tmp_path, LABELS.replace('train = "train.csv"\n', ""))
    assert load_task(tmp_path / "task.toml").labels == ("maybe", "yes")


def test_a_train_file_that_cannot_be_read_is_the_only_fault(tmp_path: Path) -> None:
    make(tmp_path, LABELS, train_csv="question,answer\ncaf\xe9,yes\n".encode("latin-1"), test_csv=TRAIN)
    assert faults(tmp_path) == ["train.csv:2: not UTF-8 (byte 19); save the file as UTF-8"]
    make(tmp_path, LABELS, train_csv="question,answer\n")
    assert faults(tmp_path) == ["train.csv:1: no rows; a question set cannot be empty"]


def test_the_positive_label_is_one_of_them(tmp_path: Path) -> None:
    make(tmp_path, LABELS + '[bias]\npositive = "yess"\n', train_csv=TRAIN, test_csv=TRAIN)
    assert faults(tmp_path) == ["task.toml:7: bias.positive: unknown label 'yess'; did you mean 'yes'?"]
    change(tmp_path, ("yess", "yes"))
    found = load_task(tmp_path / "task.toml")
    assert (found.labels, found.positive) == (("no", "yes"), "yes")
    make(tmp_path, LABELS + '[fields]\nchoices = "c"\n')
    assert faults(tmp_path) == [
        "task.toml:7: fields.choices: kind 'classification' has labels, not choices; leave it out"
    ]


def test_the_answer_that_abstains_is_a_label_or_a_choice(tmp_path: Path) -> None:
    make(tmp_path, LABELS + '[fields]\nabstain = "nobody knows"\n', train_csv=TRAIN, test_csv=TRAIN)
    assert faults(tmp_path) == ["task.toml:7: fields.abstain: unknown label 'nobody knows'; known: no, yes"]
    change(tmp_path, ("nobody knows", "no"))
    assert load_task(tmp_path / "task.toml").abstain == "no"
    offered = COLUMNS + 'abstain = "none"\n'
    make(tmp_path, offered, test_csv="question,a,b,c,answer\nwho?,x,y,z,0\n")
    assert faults(tmp_path) == ["task.toml:7: fields.abstain: 'none' is a choice of no test question"]
    make(tmp_path, offered, test_csv="question,a,b,c,answer\nwho?,x,none,z,0\n")
    assert load_task(tmp_path / "task.toml").abstain == "none"


# -- CSV and TSV ---------------------------------------------------------------------------------------

COLUMNS = (
    'name = "t"\nkind = "choice"\n[data]\ntest = "test.csv"\n'
    '[fields]\nchoices = ["a", "b", "c"]\n'
)  # fmt: skip


def test_choices_of_csv_have_a_column_each(tmp_path: Path) -> None:
    make(
        tmp_path,
        COLUMNS,
        test_csv="question,a,b,c,answer\nq,red,green,blue,1\nq,red,green,,red\nq,3,1,2,1\nq,x,,y,2\n",
    )
    rows = load_task(tmp_path / "task.toml").test.rows
    assert [r.question.choices for r in rows] == [
        ("red", "green", "blue"),
        ("red", "green"),
        ("3", "1", "2"),
        ("x", "y"),
    ]
    assert [r.gold for r in rows] == [1, 0, 1, 1]
    make(tmp_path, COLUMNS, test_csv="question,a,b,c,answer\nq,red,,,0\nq,x,,y,1\nq,x,y,z,3\nq,x,x,z,0\nq,x,y,z,\n")
    assert faults(tmp_path) == [
        "test.csv:2: a, b, c must hold at least two choices, got 1",
        "test.csv:3: answer 1 is the choice of column 'b', which is empty",
        "test.csv:4: answer 3 is outside the 3 choices (0 to 2)",
        "test.csv:5: a, b, c repeats a choice",
        "test.csv:6: answer is empty; it must be a choice or its index",
    ]
    change(tmp_path, ('["a", "b", "c"]', '"a"'))
    assert faults(tmp_path) == [
        'task.toml:6: fields.choices: test.csv: choices in CSV or TSV: name one column per choice, choices = ["a", "b"]'
    ]


def test_choices_of_jsonl_may_have_a_column_each_too(tmp_path: Path) -> None:
    make(tmp_path, COLUMNS.replace("csv", "jsonl"))
    write(tmp_path, "test", [{"question": "q", "a": "x", "b": 2, "c": None, "answer": 1}])
    assert load_task(tmp_path / "task.toml").test.rows[0].gold == 1
    write(tmp_path, "test", [{"question": "q", "a": "x", "b": "y", "c": ["z"], "answer": "1"}])
    assert faults(tmp_path) == ["test.jsonl:1: c must be text, got a list"]
    write(tmp_path, "test", [{"question": "q", "a": "x", "b": "y", "c": "z", "answer": "1"}])
    assert faults(tmp_path) == ["test.jsonl:1: answer '1' is none of the choices"]


ONE = 'name = "t"\nkind = "classification"\n[data]\ntest = "test.csv"\n'


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("question,answer,answer\na,b,c\n", ["test.csv:1: column 'answer' occurs twice; the rest was not read"]),
        (
            'question,answer\na,b\n"x\ny","z"!\nc\nd,"e\nf,g\n',
            [
                "test.csv:3: not CSV: ',' expected after '\"'; inside a quoted cell a quote is written twice",
                "test.csv:5: 1 fields where 2 belong",
                "test.csv:6: a quote that opens here is never closed; the rest was not read",
            ],
        ),
        ('question,answer\n"a\nb",c\n"d\ne",\n', ["test.csv:4: answer is empty; it must be a label"]),
        ('"question"!,answer\na,b\n', ["test.csv:1: not CSV"]),
        ("q,answer\na,b\n", ["task.toml:1: fields.question: no row of test.csv has a column 'question'"]),
        ("question,answer\n", ["test.csv:1: no rows"]),
        ("question,answer\n" + "x" * 1_000_001 + ",b\n", ["test.csv:2: not CSV: field larger than field limit"]),
    ],
)
def test_faults_of_separated_files_stand_on_their_first_line(tmp_path: Path, content: str, told: list[str]) -> None:
    make(tmp_path, ONE, test_csv=content)
    found = faults(tmp_path)
    assert len(found) == len(told)
    assert all(each.startswith(start) for each, start in zip(found, told, strict=True)), found


def test_long_cells_and_nameless_columns_are_read(tmp_path: Path) -> None:
    make(tmp_path, ONE, test_csv=f"question,answer,,\n{'x' * 200_000},b,,\n")
    assert len(load_task(tmp_path / "task.toml").test.rows[0].question.text) == 200_000


def test_quotes_of_tsv_are_characters(tmp_path: Path) -> None:
    make(tmp_path, ONE.replace("csv", "tsv"), test_tsv='question\tanswer\nsay "hi\tyes\n"hello" he said\tno\n')
    texts = [r.question.text for r in load_task(tmp_path / "task.toml").test.rows]
    assert texts == ['say "hi', '"hello" he said']


def test_named_columns_fit_the_file(tmp_path: Path) -> None:
    make(tmp_path, ONE + '[fields]\ncolumns = ["question", "answer"]\n', test_csv="question,answer\na,b\n")
    assert faults(tmp_path) == ["test.csv:1: the file has a header line; leave out fields.columns"]
    change(tmp_path, ('"question", "answer"', '"answer", "answer"'))
    assert faults(tmp_path) == ["task.toml:6: fields.columns names 'answer' twice"]


# -- JSONL and Parquet ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": 1, "x": 2, "id": 3}', "test.jsonl:1: key 'id' occurs twice in one object"),
        ('{"id": 1,}', "test.jsonl:1: not JSON: "),
        ('{"id": ' + "9" * 5000 + "}", "test.jsonl:1: not JSON: a number of more than 4,300 digits"),
        ('{"id": ' + "[" * 900 + "]" * 900 + ', "x": "\\ud800"}', "test.jsonl:1: "),
    ],
)
def test_faults_of_json(folder: Path, line: str, told: str) -> None:
    (folder / "test.jsonl").write_text(line + "\n")
    (fault,) = faults(folder)
    assert fault.startswith(told)


def table(**changes: object) -> pa.Table:
    rows = [row(n) for n in range(4)]
    return pa.table({**{name: [each[name] for each in rows] for name in rows[0]}, **changes})


PARQUET = 'name = "t"\nkind = "choice"\n[data]\ntest = "test.parquet"\n[fields]\nid = "id"\nchoices = "choices"\n'


def test_parquet_is_read_by_the_columns_that_the_task_names(tmp_path: Path) -> None:
    make(tmp_path, PARQUET)
    parquet.write_table(table(when=pa.array([2**62] * 4, pa.timestamp("us"))), tmp_path / "test.parquet")
    rows = load_task(tmp_path / "task.toml").test.rows
    assert [r.question.id for r in rows] == ["q0", "q1", "q2", "q3"]
    assert rows[0].question.choices == ("yes", "no")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"question": pa.array([2**62] * 4, pa.timestamp("us"))}, "test.parquet:row 1: not readable as Parquet: "),
        ({"question": [datetime(2020, 1, 1)] * 4}, "test.parquet:row 1: question must be text, got a datetime"),
        ({"question": ["a", None, "b", "c"]}, "test.parquet:row 2: question must be text, got nothing"),
        ({"answer": [0.0] * 4}, "test.parquet:row 1: answer 0.0 is none of the choices"),
        ({"answer": [float("nan")] * 4}, "test.parquet:row 1: answer is empty"),
        ({"id": [" "] * 4}, "test.parquet:row 1: id is empty"),
    ],
)
def test_faults_of_parquet(tmp_path: Path, changes: dict[str, object], told: str) -> None:
    make(tmp_path, PARQUET)
    parquet.write_table(table(**changes), tmp_path / "test.parquet")
    assert faults(tmp_path)[0].startswith(told)


def test_parquet_that_is_broken_empty_or_of_other_columns(tmp_path: Path) -> None:
    make(tmp_path, PARQUET, test_parquet=b"")
    assert faults(tmp_path) == ["test.parquet:row 1: not readable as Parquet: Parquet file size is 0 bytes"]
    (tmp_path / "test.parquet").write_bytes(b"PAR1" + b"\0" * 100 + b"PAR1")
    assert len(faults(tmp_path)) == 1
    parquet.write_table(table().slice(0, 0), tmp_path / "test.parquet")
    assert faults(tmp_path) == ["test.parquet:1: no rows; a question set cannot be empty"]
    names = [*table().column_names[:-1], "id"]
    parquet.write_table(table().rename_columns(names), tmp_path / "test.parquet")
    assert faults(tmp_path) == ["test.parquet:1: column 'id' occurs twice"]
    parquet.write_table(pa.table({"z": [1, 2]}), tmp_path / "test.parquet")
    assert faults(tmp_path)[0].startswith(
        "task.toml:5: fields.question: no row of test.parquet has a column 'question'; its columns are 'z'"
    )


# -- documents, twins ----------------------------------------------------------------------------------


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """With documents, evidence, groups and twins."""
    make(
        tmp_path,
        'name = "t"\nkind = "choice"\n[data]\ntest = "test.jsonl"\ntwins = "twins.jsonl"\ndocuments = "docs.jsonl"\n'
        '[fields]\nid = "id"\nchoices = "choices"\nevidence = "doc"\n[bias]\ngroups = ["sex"]\ntwins = "twin"\n',
    )
    write(tmp_path, "docs", [{"id": "d", "text": "hello", "title": None}])
    write(tmp_path, "test", [row(0, doc="d"), row(1)])
    write(tmp_path, "twins", [row(10 + n, twin=n // 2, sex="fm"[n % 2]) for n in range(4)])
    return tmp_path


def test_documents_twins_and_groups_are_read(full: Path) -> None:
    task = load_task(full / "task.toml")
    assert [d.title for d in task.documents] == [""]
    assert [r.evidence for r in task.test.rows] == [("d",), ()]
    assert task.twins is not None
    assert [(r.twin, r.groups["sex"]) for r in task.twins.rows] == [("0", "f"), ("0", "m"), ("1", "f"), ("1", "m")]


@pytest.mark.parametrize(
    ("documents", "told"),
    [
        ([], ["docs.jsonl:1: no documents"]),
        ([{"id": "d", "body": "x"}], ["docs.jsonl:1: no document has a column 'text'; its columns are 'id', 'body'"]),
        ([{"id": "d", "text": ""}], ["docs.jsonl:1: a document needs text in text"]),
        ([{"id": "d", "text": "x"}] * 2, ["docs.jsonl:2: id 'd' is also on docs.jsonl:1"]),
        ([{"id": "e", "text": "x"}], ["test.jsonl:1: evidence 'd' is not a document"]),
    ],
)
def test_faults_of_documents(full: Path, documents: list[dict[str, object]], told: list[str]) -> None:
    write(full, "docs", documents)
    assert faults(full) == told


def test_evidence_and_groups_must_occur_somewhere(full: Path) -> None:
    change(full, ('"doc"', '"dok"'), ('["sex"]', '["gender"]'))
    told = faults(full)
    assert [fault.split("; its")[0] for fault in told] == [
        "task.toml:10: fields.evidence: no row of test.jsonl has a column 'dok'",
        "task.toml:12: bias.groups: no row of twins.jsonl has a column 'gender'",
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"choices": ["no", "yes"]}, "twins.jsonl:2: its choices differ from those of its twin on twins.jsonl:1; "),
        ({"twin": ""}, "twins.jsonl:2: twin is empty"),
        ({"id": "q20"}, "twins.jsonl:2: id 'q20' is also on twins.jsonl:1"),
        ({"sex": ["m"]}, "twins.jsonl:2: sex must be text, got a list"),
    ],
)
def test_faults_of_twins(full: Path, changes: dict[str, object], told: str) -> None:
    twin = {"twin": "a", "sex": "f"}
    write(full, "twins", [row(20, **twin), row(21, **{**twin, **changes})])
    (fault,) = faults(full)
    assert fault.startswith(told)


def test_twins_need_their_column_in_every_row(full: Path) -> None:
    write(full, "twins", [row(20, twin="a", sex="f"), row(21, sex="m")])
    assert faults(full)[0].startswith("twins.jsonl:2: column 'twin' is missing; the row has")
    write(full, "twins", [row(20, sex="f"), row(21, sex="m")])
    assert faults(full)[0].startswith("task.toml:13: bias.twins: no row of twins.jsonl has a column 'twin'; its")


def test_values_are_quoted_short_and_without_escapes(folder: Path) -> None:
    write(folder, "test", [row(10, answer="\x1b[31m" + "x" * 500), row(11, answer={"a": ["y" * 99] * 99})])
    first, second = faults(folder)
    assert first.startswith("test.jsonl:1: answer '\\x1b[31mxxx")
    assert len(first) < 120
    assert len(second) < 120


def test_criteria_are_read_and_shape_no_fingerprint(folder: Path) -> None:
    plain = load_task(folder / "task.toml")
    with (folder / "task.toml").open("a") as file:
        file.write("\n[criteria]\nleast_accuracy = 80\nlicences = ['mit']\n")
    declared = load_task(folder / "task.toml")
    assert declared.criteria == {"least_accuracy": 80, "licences": ["mit"]}
    assert declared.fingerprint == plain.fingerprint


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("least_acuracy = 80", "unknown criterion 'least_acuracy'; did you mean 'least_accuracy'?"),
        ("least_accuracy = 180", "least_accuracy 180: input should be less than or equal to 100"),
    ],
)
def test_faulty_criteria_are_faults_of_the_task(folder: Path, line: str, told: str) -> None:
    with (folder / "task.toml").open("a") as file:
        file.write(f"\n[criteria]\n{line}\n")
    assert any(told in fault and fault.startswith("task.toml:") for fault in faults(folder)), faults(folder)
