"""Checks of a task's content find what is planted, and nothing in a clean task."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.quality import Finding, Severity, check
from harness.taskfile import load_task

pytestmark = pytest.mark.slow  # scikit-learn

Rows = list[dict[str, Any]]
SUBJECTS = ("rent", "sale", "loan", "will", "tort", "lien", "bond", "deed", "writ", "plea", "oath", "fine")


def clean(set_name: str, copies: int) -> Rows:
    """Each answer is right in its own question and wrong in three others, at places that turn."""
    rows = []
    for copy in range(copies):
        for number, subject in enumerate(SUBJECTS):
            wrong = [SUBJECTS[(number + step * (copy + 1)) % len(SUBJECTS)] for step in (1, 2, 3)]
            wrong = [other for other in dict.fromkeys(wrong) if other != subject]
            place = (number + copy) % (len(wrong) + 1)
            text = (
                f"{set_name} {copy}: of {subject} under statute {number * 37 + copy * 911} who decides {subject * 2}?"
            )
            rows.append(
                {
                    "id": f"{set_name}-{copy}-{number}",
                    "fact": subject,
                    "question": text,
                    "choices": [*(f"rule of {w}" for w in wrong[:place]), f"rule of {subject}"]
                    + [f"rule of {w}" for w in wrong[place:]],
                    "answer": place,
                }
            )
    return rows


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., list[Finding]]:
    """Writes a task from a clean one with changed sets, and checks it."""

    def make(embed: Any = None, **changes: Callable[[Rows], Rows]) -> list[Finding]:
        sets = {"train": clean("train", 4), "test": clean("test", 3)}
        for name, change in changes.items():
            sets[name] = change(sets[name])
        for name, rows in sets.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        documents = [{"id": s, "text": f"The rule of {s} is what governs {s}."} for s in SUBJECTS]
        (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
        (tmp_path / "task.toml").write_text(
            'name = "t"\nkind = "choice"\n[data]\ntrain = "train.jsonl"\ntest = "test.jsonl"\n'
            'documents = "documents.jsonl"\n[fields]\nid = "id"\nchoices = "choices"\ncluster = "fact"\n'
        )
        return check(load_task(tmp_path / "task.toml"), embed)

    return make


def serious(found: list[Finding]) -> set[str]:
    return {finding.check for finding in found if finding.severity is Severity.SERIOUS}


def test_a_clean_task_has_nothing_serious(write: Callable[..., list[Finding]]) -> None:
    found = write()
    assert serious(found) == set()
    assert {"answer places", "choices alone, tf-idf", "choices and documents, tf-idf"} <= {f.check for f in found}


def first(row: dict[str, Any]) -> dict[str, Any]:
    right = row["choices"][row["answer"]]
    return {**row, "choices": [right, *(c for c in row["choices"] if c != right)], "answer": 0}


def test_an_answer_that_always_stands_first_is_found(write: Callable[..., list[Finding]]) -> None:
    assert "answer places" in serious(write(test=lambda rows: [first(row) for row in rows]))


def marked(row: dict[str, Any]) -> dict[str, Any]:
    choices = [f"{c} indeed" if n == row["answer"] else c for n, c in enumerate(row["choices"])]
    return {**row, "choices": choices}


def test_an_answer_that_looks_right_is_found(write: Callable[..., list[Finding]]) -> None:
    found = serious(write(train=lambda rows: [marked(r) for r in rows], test=lambda rows: [marked(r) for r in rows]))
    assert {"choices alone, tf-idf", "longest choice"} <= found


def invented(row: dict[str, Any]) -> dict[str, Any]:
    choices = [c if n == row["answer"] else f"zz{n} {row['id']}" for n, c in enumerate(row["choices"])]
    return {**row, "choices": choices}


def test_wrong_choices_that_no_document_knows_are_found(write: Callable[..., list[Finding]]) -> None:
    assert "choices and documents, tf-idf" in serious(write(test=lambda rows: [invented(row) for row in rows]))


def test_an_encoder_sees_what_words_do_not(write: Callable[..., list[Finding]]) -> None:
    def embed(texts: Any) -> np.ndarray:
        """Knows by a sense of its own which choices are right: those of even length."""
        return np.array([[1.0, 0.0] if "indeed" in text else [0.0, 1.0] for text in texts], dtype=np.float32)

    found = write(embed, train=lambda rows: [marked(r) for r in rows], test=lambda rows: [marked(r) for r in rows])
    assert "choices alone, encoder" in serious(found)


def test_leaks_and_contradictions_are_named(write: Callable[..., list[Finding]]) -> None:
    trained = clean("train", 4)
    same = {**clean("test", 1)[0], "question": trained[0]["question"].upper() + " !"}
    words = trained[5]["question"].split()
    near = {**clean("test", 1)[1], "question": " ".join([*words, *words[:-1], "indeed"])}
    source = " ".join([*words, *words])

    def leak(rows: Rows) -> Rows:
        return [same, near, *rows[2:]]

    def lengthen(rows: Rows) -> Rows:
        return [*rows[:5], {**rows[5], "question": source}, *rows[6:]]

    found = {finding.check: finding for finding in write(test=leak, train=lengthen)}
    exact = found["duplicates, trained on and tested"]
    assert (exact.severity, exact.told) == (Severity.SERIOUS, "1 pair")
    assert exact.examples == ("train-0-0 = test-0-0",)
    assert found["near-duplicates, trained on and tested"].examples == ("train-0-5 = test-0-1",)
    assert found["same question, other answer"].severity is Severity.FINE


def test_the_same_question_with_another_answer_is_serious(write: Callable[..., list[Finding]]) -> None:
    def contradict(rows: Rows) -> Rows:
        return [*rows, {**rows[0], "id": "again", "answer": (rows[0]["answer"] + 1) % len(rows[0]["choices"])}]

    found = {finding.check: finding for finding in write(train=contradict)}
    assert found["same question, other answer"].examples == ("train-0-0 = again",)
    assert found["duplicates in a set"].severity is Severity.FINE
