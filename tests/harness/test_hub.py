"""A dataset of the Hugging Face hub as a task's data: read from a folder in the hub's layout, checked like any file."""

from __future__ import annotations

import json
import os
import socket
import sys
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

import harness
from harness.errors import TaskFileError
from harness.processes import LocalProcesses
from harness.registry import Registry
from harness.safetext import one_line
from harness.taskfile import load_task

pytestmark = pytest.mark.slow

LABELS = ("card_arrival", "top_up")
TASK = """\
name = "bank"
kind = "classification"

[data]
hf = "acme/bank"

[fields]
question = "text"
answer = "label"
"""
CARD = """\
---
configs:
- config_name: default
  data_files:
  - split: train
    path: data/train-*
  - split: test
    path: data/test-*
---
# Bank
"""
OTHER = """\
---
configs:
- config_name: other
  data_files: data/train-*
- config_name: default
  data_files: [{split: test, path: data/nothing-*}]
---
"""
CLASSES = """\
---
dataset_info:
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': card_arrival
          '1': top_up
---
"""
CHOICE = """\
name = "capitals"
kind = "choice"

[data]
hf = "acme/capitals"

[data.extra_tests]
hard = { file = "hard", disjoint_by = "country" }

[fields]
id = "id"
choices = "choices"
cluster = "country"
together = "pair"
"""


@pytest.fixture(autouse=True)
def _datasets() -> None:
    pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    reached: list[Any] = []

    def refuse(*arguments: Any, **named: Any) -> None:
        reached.append(arguments)
        raise OSError("no network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    yield
    assert reached == []


def rows(split: str, count: int) -> dict[str, list[Any]]:
    return {"text": [f"{split} message {n}" for n in range(count)], "label": [n % 2 for n in range(count)]}


def classes(columns: dict[str, list[Any]], names: Sequence[str] = LABELS) -> pa.Table:
    """A table as the hub stores it: numbers, and their names in the schema."""
    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": list(names), "_type": "ClassLabel"},
    }
    stored = json.dumps({"info": {"features": features}})
    return pa.table(columns).replace_schema_metadata({"huggingface": stored})


@pytest.fixture
def bank(tmp_path: Path) -> Path:
    """A task, and beside it the folder `repository` in the hub's layout."""
    (tmp_path / "task.toml").write_text(TASK)
    data = tmp_path / "repository" / "data"
    data.mkdir(parents=True)
    (tmp_path / "repository" / "README.md").write_text(CARD)
    for shard in range(2):
        parquet.write_table(classes(rows(f"train {shard}", 10)), data / f"train-0000{shard}-of-00002.parquet")
    parquet.write_table(classes(rows("test", 4)), data / "test-00000-of-00001.parquet")
    return tmp_path


@pytest.fixture
def capitals(tmp_path: Path) -> Path:
    (tmp_path / "task.toml").write_text(CHOICE)
    for split, numbers in {"train": range(20), "test": range(20, 26), "hard": range(26, 30)}.items():
        write(tmp_path, split, [question(n) for n in numbers])
    files = "".join(f"  - split: {split}\n    path: {split}.jsonl\n" for split in ("train", "test", "hard"))
    card = f"---\nconfigs:\n- config_name: default\n  data_files:\n{files}---\n"
    (tmp_path / "repository" / "README.md").write_text(card)
    return tmp_path


def question(number: int, **changes: object) -> dict[str, object]:
    row = {"id": f"q{number}", "country": f"c{number}", "pair": None, "question": f"what is the capital of {number}?"}
    return {**row, "choices": ["yes", "no"], "answer": number % 2, **changes}


def write(folder: Path, split: str, found: list[dict[str, object]]) -> None:
    (folder / "repository").mkdir(exist_ok=True)
    (folder / "repository" / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))


def load(folder: Path) -> Any:
    return load_task(folder / "task.toml", folder / "repository")


def faults(folder: Path, data: Path | None = None) -> list[str]:
    with pytest.raises(TaskFileError) as caught:
        load_task(folder / "task.toml", data or folder / "repository")
    assert caught.value.exit_code == 2
    assert all(fault == one_line(fault) for fault in caught.value.faults)
    return list(caught.value.faults)


def change(folder: Path, old: str, new: str, file: str = "task.toml") -> None:
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))


# -- what is read --------------------------------------------------------------------------------------


def test_parquet_with_classes_is_read_by_their_names(bank: Path) -> None:
    task = load(bank)
    assert task.labels == LABELS
    assert [task.labels[row.gold] for row in task.test.rows] == [*LABELS, *LABELS]
    assert task.test.rows[0].question.text == "test message 0"
    texts = [row.question.text for row in (*task.train.rows, *task.validation.rows)]
    assert len(texts) == 20
    assert "train 1 message 9" in texts


def test_nothing_is_left_behind_and_no_cache_is_made(
    bank: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    cache = bank / "cache"
    cache.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(cache))
    before = sorted(bank.rglob("*"))
    load(bank)
    assert sorted(bank.rglob("*")) == before
    assert capfd.readouterr() == ("", "")


def test_jsonl_takes_its_classes_from_the_card(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(TASK)
    write(tmp_path, "train", [{"text": f"text {n}", "label": LABELS[n % 2]} for n in range(4)])
    write(tmp_path, "test", [{"text": f"other {n}", "label": n % 2} for n in range(4)])
    (tmp_path / "repository" / "README.md").write_text(CLASSES)
    assert [row.gold for row in load(tmp_path).test.rows] == [0, 1, 0, 1]
    write(tmp_path, "test", [{"text": "a", "label": 7}, {"text": "b", "label": -1}, {"text": "c", "label": 1}])
    assert faults(tmp_path) == [
        "acme/bank[test]:row 1: label 7 is none of its 2 classes",
        "acme/bank[test]:row 2: label is empty; it must be a label",
    ]


def test_csv_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(TASK)
    (tmp_path / "repository").mkdir()
    for split in ("train", "test"):
        lines = "".join(f'"{split}, {n}",{LABELS[n % 2]}\n' for n in range(4))
        (tmp_path / "repository" / f"{split}.csv").write_text("text,label\n" + lines)
    assert load(tmp_path).test.rows[3].question.text == "test, 3"


def test_sets_are_splits_and_may_be_named(bank: Path) -> None:
    data = bank / "repository" / "data"
    parquet.write_table(classes(rows("held", 4)), data / "validation-00000-of-00001.parquet")
    change(
        bank,
        "  - split: test\n",
        "  - split: validation\n    path: data/validation-*\n  - split: test\n",
        "repository/README.md",
    )
    assert len(load(bank).train) == 20
    assert load(bank).validation.rows[0].question.text == "held message 0"
    change(bank, '"acme/bank"\n', '"acme/bank"\ntest = "validation"\n')
    task = load(bank)
    assert task.test.rows[0].question.text == "held message 0"
    assert len(task.train) + len(task.validation) == 20


def test_a_config_is_a_set_of_files_of_its_own(bank: Path) -> None:
    two = CARD.replace("---\n#", "- config_name: small\n  data_files: data/train-00000-*\n---\n#")
    (bank / "repository" / "README.md").write_text(two)
    assert len(load(bank).test) == 4
    change(bank, '"acme/bank"\n', '"acme/bank"\nconfig = "small"\ntest = "train"\n')
    assert len(load(bank).test) == 10
    change(bank, '"small"', '"smal"')
    assert faults(bank) == [
        "task.toml:5: data.hf: 'acme/bank' is asked for an unknown config 'smal'; did you mean 'small'?"
    ]
    change(bank, "default", "large", "repository/README.md")
    change(bank, 'config = "smal"\n', "")
    assert faults(bank) == [
        "task.toml:5: data.hf: 'acme/bank' has several configurations; name one in data.config: large, small"
    ]


@pytest.mark.parametrize(
    ("names", "answer", "gold"),
    [(("A", "B"), 1, 1), (("no", "yes"), 0, 1), (("no", "yes"), 1, 0)],
)
def test_the_class_of_a_choice_is_its_place_unless_it_is_a_choice(
    capitals: Path, names: Sequence[str], answer: int, gold: int
) -> None:
    """As of MMLU, whose answers are the classes A to D."""
    table = pa.Table.from_pylist([question(40, answer=answer)])
    table = table.set_column(table.column_names.index("pair"), "pair", pa.array([None], pa.string()))
    text = {"dtype": "string", "_type": "Value"}
    features: dict[str, Any] = dict.fromkeys(("id", "country", "pair", "question"), text)
    features["choices"] = {"feature": text, "_type": "List"}
    features["answer"] = {"names": list(names), "_type": "ClassLabel"}
    stored = json.dumps({"info": {"features": features}})
    for file in (capitals / "repository").iterdir():
        file.unlink()
    parquet.write_table(
        table.replace_schema_metadata({"huggingface": stored}), capitals / "repository" / "test.parquet"
    )
    change(capitals, '[data.extra_tests]\nhard = { file = "hard", disjoint_by = "country" }\n', "")
    assert load(capitals).test.rows[0].gold == gold


def test_any_change_changes_the_fingerprint(bank: Path) -> None:
    before = load(bank).fingerprint
    assert load(bank).fingerprint == before
    change(bank, '"acme/bank"\n', '"acme/bank"\nrevision = "v1"\n')
    pinned = load(bank).fingerprint
    assert pinned != before
    file = bank / "repository" / "data" / "test-00000-of-00001.parquet"
    stat = file.stat()
    parquet.write_table(classes({**rows("test", 4), "label": [1, 1, 0, 1]}), file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert load(bank).fingerprint != pinned


def test_it_runs_on_a_backend(capitals: Path, registry: Registry, workers: LocalProcesses, tmp_path: Path) -> None:
    finished = harness.run(
        capitals,
        strategies=["majority", "base"],
        backends=["fake"],
        data=capitals / "repository",
        store=tmp_path / "store",
        registry=registry,
        executor=workers,
    )
    assert [cell["status"] for cell in finished.report["cells"]] == ["done", "done"]
    for arm in finished.report["table"]:
        assert arm["measurements"]["accuracy"]["n"] == 6
        assert arm["tests"]["hard"]["accuracy"]["n"] == 4


# -- the checks of any task ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"answer": 2}, "acme/capitals[test]:row 2: answer 2 is outside the 2 choices (0 to 1)"),
        ({"question": ""}, "acme/capitals[test]:row 2: question is empty"),
        ({"id": "q3"}, "acme/capitals[test]:row 2: id 'q3' is also on acme/capitals[train]:row 4"),
    ],
)
def test_rows_are_checked_like_those_of_files(capitals: Path, changes: dict[str, object], told: str) -> None:
    write(capitals, "test", [question(20), question(21, **changes)])
    assert faults(capitals) == [told]


def test_what_must_not_straddle_is_held(capitals: Path) -> None:
    write(capitals, "train", [question(n, pair=f"p{n}") for n in range(20)])
    write(capitals, "test", [question(20, pair="p4")])
    write(capitals, "hard", [question(26, pair="p26", country="c7")])
    assert faults(capitals) == [
        "acme/capitals[test]:row 1: pair 'p4' must stay together but is also on acme/capitals[train]:row 5",
        "acme/capitals[hard]:row 1: country 'c7' is also on acme/capitals[train]:row 8",
    ]


# -- misuse: each one line, exit 2 ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"acme/bank"\n', '"acme/bank"\ntest = "tset"\n', "task.toml:6: data.test: unknown split 'tset'; did"),
        (
            '"acme/bank"\n',
            '"acme/bank"\n[data.extra_tests]\nhard = "harder"\n',
            "task.toml:7: data.extra_tests.hard: unknown split 'harder'; known: test, train",
        ),
        ('"acme/bank"\n', '"acme/bank"\ntrain = "test"\n', "task.toml:4: data.test: 'test' is data.train already"),
        (
            '"acme/bank"\n',
            '"acme/bank"\ntest = "test.parquet"\n',
            "task.toml:6: data.test: 'test.parquet' is a file; beside data.hf, name a split of the dataset",
        ),
        ('"text"', '"txt"', "task.toml:8: fields.question: no row of acme/bank[train] has a column 'txt'; its"),
        ('"acme/bank"', '"../bank"', "task.toml:5: data.hf '../bank' must be a dataset's name on the Hugging Face hub"),
        ('"acme/bank"', '"parquet"', "task.toml:5: data.hf 'parquet' must be a dataset's name"),
        ('hf = "acme/bank"', 'test = "x.csv"\nconfig = "a"', "task.toml:6: data.config needs data.hf"),
        ('hf = "acme/bank"', 'test = "x.csv"\nrevision = "a"', "task.toml:6: data.revision needs data.hf"),
    ],
)
def test_misuse_is_told_with_its_line(bank: Path, old: str, new: str, told: str) -> None:
    change(bank, old, new)
    assert faults(bank)[0].startswith(told)


def test_a_folder_that_is_not_there(bank: Path) -> None:
    (fault,) = faults(bank, bank / "nowhere")
    assert fault.startswith("task.toml:5: data.hf: 'acme/bank' is to be read from ")
    assert fault.endswith("nowhere, which is no folder")


def test_a_dataset_without_the_library_names_the_extra(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    told = "task.toml:5: data.hf: 'acme/bank' needs the library 'datasets': pip install 'adapt-harness[hf]'"
    assert faults(bank) == [told]
    with pytest.raises(TaskFileError, match="pip install"):
        load_task(bank / "task.toml")


def test_a_library_that_would_run_code_is_refused(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(__version__="3.6.0"))
    (fault,) = faults(bank)
    assert "needs datasets 4 or later" in fault


def test_a_script_is_never_run(bank: Path) -> None:
    ran = bank / "ran"
    (bank / "repository" / "repository.py").write_text(f"open({str(ran)!r}, 'w')")
    (fault,) = faults(bank)
    assert "scripts are no longer supported" in fault
    for file in (bank / "repository" / "data").iterdir():
        file.unlink()
    (bank / "repository" / "repository.py").rename(bank / "repository" / "bank.py")
    (bank / "repository" / "README.md").unlink()
    (fault,) = faults(bank)
    assert "has no csv, json, parquet files, or none where its card looks for them" in fault
    assert "a loading script is never run" in fault
    assert not ran.exists()


@pytest.mark.parametrize(
    "pattern",
    [
        "../secret.jsonl",
        "/etc/*.csv",
        "https://example.org/x.csv",
        "hf://datasets/a/b/x.csv",
        "zip://a::b.zip",
        "a\\\\b",
    ],
)
def test_a_card_names_nothing_outside_its_folder(bank: Path, pattern: str) -> None:
    change(bank, "data/test-*", f'["data/test-*", "{pattern}"]', "repository/README.md")
    (fault,) = faults(bank)
    assert "leads out of the dataset" in fault


def test_a_link_out_of_the_folder_is_refused(bank: Path) -> None:
    file = bank / "repository" / "data" / "test-00000-of-00001.parquet"
    file.rename(bank / "outside.parquet")
    file.symlink_to(bank / "outside.parquet")
    (fault,) = faults(bank)
    assert fault.endswith("has a file 'test-00000-of-00001.parquet' that is a link out of it")


@pytest.mark.parametrize(
    ("file", "content", "told"),
    [
        ("README.md", "---\nconfigs: [\n---\n", "its card (README.md) cannot be read: ParserError"),
        ("README.md", "---\nconfigs: 3\n---\n", "its card (README.md) cannot be read: TypeError"),
        (
            "README.md",
            "---\nconfigs: [{config_name: a, data_files: [{split: a, path: [[b]]}]}]\n---\n",
            "expected text, got a list",
        ),
        ("README.md", CARD.replace("data/test", "data/nothing"), "cannot be read: ValueError: Couldn't infer"),
        ("README.md", OTHER, "has no file of the split 'test'"),
        ("README.md", CARD.replace("data/", "date/"), "or none where its card looks for them"),
        ("data/test-00000-of-00001.parquet", "no parquet", "cannot be read: ArrowInvalid"),
        ("data/train.txt", "text", None),
    ],
)
def test_a_broken_repository_is_one_line(bank: Path, file: str, content: str, told: str | None) -> None:
    (bank / "repository" / file).write_text(content)
    if told is None:
        assert len(load(bank).test) == 4
    else:
        (fault,) = faults(bank)
        assert fault.startswith("task.toml:5: data.hf: 'acme/bank' ")
        assert told in fault


def test_other_formats_are_refused(tmp_path: Path) -> None:
    (tmp_path / "task.toml").write_text(TASK)
    (tmp_path / "repository").mkdir()
    for split in ("train", "test"):
        (tmp_path / "repository" / f"{split}.txt").write_text("text\n")
    assert faults(tmp_path) == ["task.toml:5: data.hf: 'acme/bank' holds text files; csv, json, parquet can be read"]


def test_a_missing_shard_is_noticed(bank: Path) -> None:
    info = "dataset_info:\n  splits:\n" + "".join(
        f"  - name: {split}\n    num_bytes: 1\n    num_examples: {count}\n"
        for split, count in (("train", 20), ("test", 4))
    )
    change(bank, "configs:", info + "configs:", "repository/README.md")
    assert load(bank)
    (bank / "repository" / "data" / "train-00001-of-00002.parquet").unlink()
    assert faults(bank) == ["acme/bank[train]: 10 rows where its card says 20; is a file missing?"]


# -- by name -------------------------------------------------------------------------------------------


@pytest.fixture
def cache(bank: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The hub's local cache, offline, which holds the dataset at the revision `v1`."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(bank / "hub"))
    commit = "0123456789abcdef0123456789abcdef01234567"
    repository = bank / "hub" / "datasets--acme--bank"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "v1").write_text(commit)
    (repository / "blobs").mkdir()
    for number, file in enumerate(sorted(path for path in (bank / "repository").rglob("*") if path.is_file())):
        link = repository / "snapshots" / commit / file.relative_to(bank / "repository")
        link.parent.mkdir(parents=True, exist_ok=True)
        file.rename(repository / "blobs" / str(number))
        link.symlink_to(repository / "blobs" / str(number))
    return repository / "snapshots" / commit


def test_a_dataset_in_the_local_cache_is_read_offline(bank: Path, cache: Path) -> None:
    change(bank, '"acme/bank"\n', '"acme/bank"\nrevision = "v1"\n')
    task = load_task(bank / "task.toml")
    assert len(task.test) == 4
    assert load_task(bank / "task.toml", cache).fingerprint == task.fingerprint


@pytest.mark.parametrize("revision", ["", 'revision = "v2"\n'])
def test_offline_what_is_not_there_says_what_to_do(bank: Path, cache: Path, revision: str) -> None:
    change(bank, '"acme/bank"\n', f'"acme/bank"\n{revision}')
    with pytest.raises(TaskFileError) as caught:
        load_task(bank / "task.toml")
    assert str(caught.value) == (
        "task.toml:5: data.hf: 'acme/bank' is not whole in the local cache and cannot be had from the hub "
        "(HF_HUB_OFFLINE is set); go online once, or give a copy of its repository by --data FOLDER"
    )
    assert caught.value.exit_code == 2


def test_only_the_files_of_a_config_are_fetched(bank: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str | None, list[str]]] = []

    def snapshot(name: str, *, repo_type: str, revision: str | None, allow_patterns: list[str]) -> str:
        assert (name, repo_type) == ("acme/bank", "dataset")
        asked.append((revision, allow_patterns))
        return str(bank / "repository")

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot)
    load_task(bank / "task.toml")
    card = ["README.md", ".huggingface.yaml", "dataset_infos.json"]
    assert asked == [(None, card), ("repository", [*card, "data/train-*", "data/test-*"])]
    (bank / "repository" / "README.md").unlink()
    load_task(bank / "task.toml")
    assert {"*.parquet", "*.jsonl", "*.csv"} <= {*asked[-1][1]}
    assert not any(pattern.endswith(".py") for _, patterns in asked for pattern in patterns)
