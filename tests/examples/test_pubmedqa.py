"""PubMedQA through its own prepare.py: the published split, and no question that carries its answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.registry import load_registry
from harness.taskfile import load_task
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.slow  # starts prepare.py again and again

EXAMPLE = REPOSITORY / "examples" / "pubmedqa"
MAJORITY = 55.2
STUDY = {"QUESTION": "Do owls sleep?", "CONTEXTS": ["We looked."], "LONG_ANSWER": "They do.", "final_decision": "yes"}


def prepare(source: Path, target: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, EXAMPLE / "prepare.py", "--from", source, "--to", target]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture(scope="module")
def original(real_data: Path) -> Path:
    if not (real_data / "pubmedqa").is_dir():
        pytest.skip("pubmedqa is not among the public data sets here")
    return real_data / "pubmedqa"


@pytest.fixture(scope="module")
def folder(original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pubmedqa")
    done = prepare(original, target)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return target


@pytest.mark.realdata
def test_the_split_is_the_published_one(original: Path, folder: Path) -> None:
    task = load_task(EXAMPLE / "task.toml", folder)
    assert task.train is not None
    assert task.validation is not None
    trained = [*task.train.rows, *task.validation.rows]
    counts = {"maybe": 55, "no": 169, "yes": 276}
    assert Counter(task.labels[row.gold] for row in trained) == counts
    assert Counter(task.labels[row.gold] for row in task.test.rows) == counts
    truth = json.loads((original / "data" / "test_ground_truth.json").read_text(encoding="utf-8"))
    assert {row.question.id for row in task.test.rows} == truth.keys()
    assert not {row.question.id for row in trained} & truth.keys()


@pytest.mark.realdata
def test_no_question_holds_its_conclusion(original: Path, folder: Path) -> None:
    studies = json.loads((original / "data" / "ori_pqal.json").read_text(encoding="utf-8"))
    task = load_task(EXAMPLE / "task.toml", folder)
    assert task.train is not None
    assert task.validation is not None
    for row in (*task.train.rows, *task.validation.rows, *task.test.rows):
        study = studies[row.question.id]
        assert study["LONG_ANSWER"] not in row.question.text
        assert [part.text for part in row.question.content] == [study["QUESTION"], "\n".join(study["CONTEXTS"])]


@pytest.mark.realdata
def test_words_alone_are_not_separated_from_always_yes(folder: Path, tmp_path: Path) -> None:
    finished = harness.run(
        EXAMPLE, strategies=["majority", "tfidf"], data=folder, store=tmp_path, registry=load_registry()
    )
    found = {arm["strategy"]: arm["measurements"]["accuracy"] for arm in finished.report["table"]}
    assert found["majority"]["value"] == pytest.approx(MAJORITY)
    assert found["tfidf"]["n"] == 500
    assert found["tfidf"]["low"] <= MAJORITY


@pytest.mark.realdata
def test_the_same_source_gives_the_same_bytes(original: Path, folder: Path) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert prepare(original, folder).returncode == 0
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("studies", "truth", "said"),
    [
        ({"1": STUDY}, {"2": "yes"}, "2: the two files disagree"),
        ({"1": STUDY}, {"1": "no"}, "1: the two files disagree"),
        ({"1": {**STUDY, "final_decision": "often"}}, {"1": "often"}, "1: final_decision 'often' is none of"),
        ({"1": {**STUDY, "CONTEXTS": "We looked."}}, {"1": "yes"}, "1: no usable QUESTION, CONTEXTS"),
        ({"1": {"QUESTION": "Do owls sleep?"}}, {"1": "yes"}, "1: no usable QUESTION, CONTEXTS"),
        ({"1": {**STUDY, "QUESTION": "\ud800"}}, {"1": "yes"}, "surrogates not allowed"),
        ([STUDY], {"1": "yes"}, "expected an object"),
        ({"1": STUDY}, None, "not JSON in UTF-8"),
    ],
)
def test_rotten_input_is_one_line_and_writes_nothing(tmp_path: Path, studies: Any, truth: Any, said: str) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "ori_pqal.json").write_text(json.dumps(studies), encoding="utf-8")
    truth_text = json.dumps(truth) if truth else '{"1": "y'
    (tmp_path / "data" / "test_ground_truth.json").write_text(truth_text, encoding="utf-8")
    done = prepare(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert done.stderr.startswith("prepare.py: ")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_folder_without_the_files_is_one_line(tmp_path: Path) -> None:
    done = prepare(tmp_path, tmp_path / "out")
    assert done.returncode != 0
    assert done.stderr.count("\n") == 1
    assert "ori_pqal.json" in done.stderr
