"""SARA through its own prepare.py: what is kept, what hangs together, and that nothing leaks."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import harness
from harness.registry import load_registry
from harness.taskfile import load_task
from harness.types import Task
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow  # starts prepare.py again and again

EXAMPLE = REPOSITORY / "examples" / "sara"
CASE = "Ann earned $10 in 2017.\tSection 9(a) applies to Ann for the year 2017.\tEntailment\n"
SHARED_CASES = 25


def prepare(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLE / "prepare.py", "--from", source, "--to", target]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def folder(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not (real_data / "sara").is_dir():
        pytest.skip("sara is not among the public data sets here")
    target = tmp_path_factory.mktemp("sara")
    done = prepare(real_data / "sara", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return target


@pytest.fixture(scope="module")
def task(folder: Path) -> Task:
    return load_task(EXAMPLE / "task.toml", folder)


@pytest.mark.realdata
def test_entailment_and_contradiction_are_kept(task: Task) -> None:
    assert task.train is not None
    assert task.validation is not None
    trained = [*task.train.rows, *task.validation.rows]
    assert Counter(row.gold for row in trained) == {0: 88, 1: 88}
    assert Counter(row.gold for row in task.test.rows) == {0: 50, 1: 50}


@pytest.mark.realdata
def test_every_statement_cites_one_subsection_and_all_are_there(task: Task) -> None:
    assert len(task.documents) == 29
    assert {len(row.evidence) for row in task.test.rows} == {1}
    assert all(document.text.startswith(f"§{document.id}") for document in task.documents)


@pytest.mark.realdata
def test_a_cluster_is_a_case_and_as_many_are_shared_as_the_readme_says(task: Task) -> None:
    assert task.train is not None
    assert task.validation is not None
    rows = [*task.train.rows, *task.validation.rows, *task.test.rows]
    cases = {(row.cluster, row.question.content[0].text) for row in rows}
    assert len(cases) == len({cluster for cluster, _ in cases}) == len({case for _, case in cases})
    trained = {row.cluster for row in (*task.train.rows, *task.validation.rows)}
    assert sum(row.cluster in trained for row in task.test.rows) == SHARED_CASES
    assert f"{SHARED_CASES} of the 100 test rows" in (EXAMPLE / "README.md").read_text(encoding="utf-8")


@pytest.mark.realdata
@pytest.mark.torch
def test_nothing_leaks_and_what_cannot_read_statutes_says_so(folder: Path, tmp_path: Path) -> None:
    finished = harness.run(
        EXAMPLE,
        strategies=["tfidf", "probe", "rag"],
        backends=["torch"],
        data=folder,
        store=tmp_path,
        registry=load_registry(),
    )
    found = {arm["strategy"]: arm["measurements"]["accuracy"] for arm in finished.report["table"]}
    assert found.keys() == {"tfidf", "probe"}
    for strategy, accuracy in found.items():
        assert accuracy["n"] == 100
        assert accuracy["low"] <= 60.0, strategy
    (rag,) = (cell for cell in finished.report["cells"] if cell["arm"].startswith("rag"))
    assert rag["status"] == "skipped"
    assert "read:classification" in rag["reason"]


@pytest.mark.realdata
def test_the_same_source_gives_the_same_bytes(real_data: Path, folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert prepare(real_data / "sara", folder).returncode == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """The least that is a SARA folder."""
    (tmp_path / "dataset").mkdir()
    (tmp_path / "statutes" / "source").mkdir(parents=True)
    (tmp_path / "statutes" / "source" / "section9").write_text("§9. Title\n\n(a) Text\n", encoding="utf-8")
    for split in ("train", "test"):
        (tmp_path / "dataset" / f"{split}.tsv").write_text(CASE, encoding="utf-8")
    return tmp_path


def train(text: bytes) -> Callable[[Path], object]:
    return lambda source: (source / "dataset" / "train.tsv").write_bytes(text)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (train(CASE.encode() + b"only one column\n"), "train.tsv:2: 1 columns where 3 belong"),
        (train(CASE.encode() + b"a\tb\tPerhaps\n"), "train.tsv:2: answer 'Perhaps' is neither"),
        (train(b"a\tb\t$12\n"), "nothing for train.jsonl"),
        (train(b"a\tb\xff\tEntailment\n"), "train.tsv: not UTF-8 (byte 3)"),
        (lambda source: (source / "dataset" / "test.tsv").unlink(), "test.tsv"),
        (lambda source: (source / "statutes" / "source" / "section9").unlink(), "nothing for documents.jsonl"),
        (lambda source: (source / "out").write_text("a file"), "out"),
    ],
)
def test_rotten_input_is_one_line_and_writes_nothing(source: Path, spoil: Callable[[Path], object], said: str) -> None:
    spoil(source)
    done = prepare(source, source / "out")
    assert done.returncode != 0
    assert done.stderr.startswith("prepare.py: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not (source / "out").is_dir()


def test_what_is_sound_is_converted(source: Path) -> None:
    assert prepare(source, source / "out").returncode == 0
    task = load_task(EXAMPLE / "task.toml", source / "out")
    assert [document.id for document in task.documents] == ["9(a)"]
    assert task.test.rows[0].evidence == ("9(a)",)
