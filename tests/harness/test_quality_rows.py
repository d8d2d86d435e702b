"""What is wrong with single questions, with pairs of the same, and with groups: found without any heavy library."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.quality import (
    Finding,
    Severity,
    balance,
    groups,
    label_errors,
    personal,
    same,
    semantic,
    serious_at_once,
    texts,
)
from harness.taskfile import load_task
from harness.types import Task

Rows = list[dict[str, Any]]


def row(id: str, text: str, label: str = "yes", **more: Any) -> dict[str, Any]:
    return {"id": id, "question": text, "answer": label, **more}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Task]:
    def make(train: Rows, test: Rows, kind: str = "classification", more: str = "", **others: Rows) -> Task:
        for name, rows in {"train": train, "test": test, **others}.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(each) + "\n" for each in rows))
        (tmp_path / "task.toml").write_text(
            f'name = "t"\nkind = "{kind}"\n[data]\ntrain = "train.jsonl"\nvalidation = "validation.jsonl"\n'
            f'test = "test.jsonl"\n'
            + "".join(f'{name} = "{name}.jsonl"\n' for name in others if name != "validation")
            + f'[fields]\nid = "id"\n{more}'
        )
        if "validation" not in others:
            (tmp_path / "validation.jsonl").write_text(json.dumps({**train[0], "id": "val", "question": "val"}) + "\n")
        return load_task(tmp_path / "task.toml")

    return make


def told(found: Any) -> dict[str, Finding]:
    return {finding.check: finding for finding in found}


def test_the_same_question_is_told_by_side_and_answer(write: Callable[..., Task]) -> None:
    train = [row("a", "one?"), row("b", "ONE"), row("c", "two"), row("d", "one", "no")]
    task = write(train, [row("t", "Two.", "no"), row("u", "three"), row("v", "three!")], validation=[row("w", "one")])
    found = told(same.findings(task))
    assert found["duplicates, trained on and tested"].examples == ("c = t",)
    assert found["duplicates in a set"].examples == ("a = b", "u = v")
    assert found["duplicates between sets of one side"].examples == ("a = w",)
    assert found["same question, other answer"].examples == ("a = d", "c = t")
    assert {
        found[check].severity for check in ("duplicates, trained on and tested", "same question, other answer")
    } == {Severity.SERIOUS}


def test_other_choices_make_another_question(write: Callable[..., Task]) -> None:
    def ask(id: str, choices: list[str], answer: int) -> dict[str, Any]:
        return {"id": id, "question": "Which is right?", "choices": choices, "answer": answer}

    train = [ask("a", ["x", "y"], 0), ask("b", ["p", "q"], 1)]
    task = write(train, [ask("t", ["Y", "x"], 1)], "choice", 'choices = "choices"\n')
    found = told(same.findings(task))
    assert found["duplicates, trained on and tested"].examples == ("a = t",)
    assert found["same question, other answer"].count == found["duplicates in a set"].count == 0


def test_signs_are_told_apart_and_twins_only_leak(write: Callable[..., Task]) -> None:
    twins = [row("x", "is it", twin="1"), row("y", "is it", twin="1"), row("z", "tested", twin="2")]
    task = write(
        [row("a", "?!"), row("b", "??"), row("c", "is it")],
        [row("t", "tested")],
        more='[bias]\ntwins = "twin"\n',
        twins=twins,
    )
    found = told(same.findings(task))
    assert found["duplicates, trained on and tested"].examples == ("c = x", "c = y")
    assert found["duplicates in a set"].count == found["duplicates between sets of one side"].count == 0


def test_texts_that_ask_nothing_or_far_too_much(write: Callable[..., Task]) -> None:
    train = [row(str(n), f"what is number {n} of it all") for n in range(50)]
    train += [row("signs", "?!"), row("sum", "2 + 2 = ?"), row("long", "what is it " * 40)]
    found = told(texts.findings(write(train, [row("t", "which number is it of all")]), most_tokens=100))
    assert (found["empty questions"].examples, found["empty questions"].severity) == (("signs",), Severity.SERIOUS)
    assert found["questions without a letter"].examples == ("sum",)
    assert found["length outliers"].examples == ("long", "val")
    assert found["questions cut at the encoder's limit"].examples == ("long",)


def test_texts_of_one_length_have_no_outliers(write: Callable[..., Task]) -> None:
    found = told(texts.findings(write([row(str(n), "word") for n in range(9)], [row("t", "words")])))
    assert found["length outliers"].count == 0
    found = told(texts.findings(write([row("a", "?")], [row("t", "!")], validation=[row("v", ".")])))
    assert (found["length outliers"].count, found["empty questions"].count) == (0, 3)


def test_small_groups_are_named(write: Callable[..., Task]) -> None:
    test = [row(str(n), f"q {n}", who="f" if n < 29 else "m") for n in range(59)]
    (found,) = groups.findings(write([row("a", "x")], test, more='[bias]\ngroups = ["who"]\n'))
    assert (found.severity, found.told, found.count) == (Severity.NOTICE, "fewer than 30 questions: f 29", 1)


PERSONAL = {
    "e-mail addresses": ["mail a.b+c@example.co.uk.", "<jo_1@a-b.org>"],
    "telephone numbers": ["ring +44 20 7946 0018 now", "(212) 736-5000", "call 020 7946 0018!", "+492219876543"],
    "payment cards": ["4111 1111 1111 1111", "378282246310005", "card 5555-5555-5555-4444."],
    "IBANs": ["DE89 3704 0044 0532 0130 00 AND MORE", "GB82WEST12345698765432", "to NL91ABNA0417164300,"],
    "national identity numbers": ["536-90-4399", "54362315K", "X-2482300W", "RCCMNL83S18D969H", "390.533.447-05"],
    "IP addresses": ["from 81.2.69.142:", "2a02:26f7:f6f9:800::1"],
}
NOT_PERSONAL = [
    "between 2019-2020 and 01.02.2003 at 12:30:45",
    "section 4.1.2.10 of version 10.4.2, 192.168.0.1, 127.0.0.1 and 999.1.1.1",
    "EUR 1,250,000.00 or order 48213-2291",
    "4111 1111 1111 1112",
    "DE88 3704 0044 0532 0130 00",
    "000-12-3456, 54362315A",
    "std::vector, a@b, @mention, 5 @ 3.50",
    "1234567 7654321",
]


@pytest.mark.parametrize("what", PERSONAL)
def test_personal_data_is_hinted_at(write: Callable[..., Task], what: str) -> None:
    rows = [row(f"r{number}", text) for number, text in enumerate(PERSONAL[what])]
    found = told(personal.findings(write([row("a", "x")], rows)))[f"personal data, {what}"]
    assert (found.severity, found.examples) == (Severity.NOTICE, tuple(each["id"] for each in rows))


def test_other_numbers_are_not_personal(write: Callable[..., Task]) -> None:
    rows = [row(f"r{number}", text) for number, text in enumerate(NOT_PERSONAL)]
    found = personal.findings(write([row("a", "x")], rows))
    assert {finding.check: finding.examples for finding in found if finding.count} == {}


def test_personal_data_is_never_told_not_even_as_an_id(write: Callable[..., Task]) -> None:
    rows = [row("jo@example.org", "write to jo@example.org"), row("plain", "or to 81.2.69.142")]
    shown = json.dumps([asdict(finding) for finding in personal.findings(write([row("a", "x")], rows))])
    assert "jo@" not in shown
    assert "81.2" not in shown
    assert "row 3" in shown
    assert "plain" in shown


def test_near_by_meaning_and_not_declared_is_told(write: Callable[..., Task]) -> None:
    train = [
        row("a", "red", fact="1"),
        row("b", "rouge", fact="2"),
        row("c", "rosso", fact="1"),
        row("d", "blue", fact="3"),
    ]
    task = write(train, [row("t", "RED!", fact="9"), row("u", "azure", fact="4")], more='cluster = "fact"\n')

    def embed(texts: Any) -> np.ndarray:
        return np.array(
            [[1, 0] if text[0] == "r" else [0, 1] if text != "val" else [0, -1] for text in texts], np.float32
        )

    found = semantic.finding(task, embed)
    assert (found.severity, found.examples) == (Severity.NOTICE, ("a = b", "b = c", "d = u"))


@pytest.mark.slow  # scikit-learn, cleanlab
def test_rare_labels_are_left_out_of_the_search_for_errors(write: Callable[..., Task]) -> None:
    words = {"yes": "good fine great nice", "no": "bad poor awful sad"}
    train = [row(f"{label}{n}", f"{words[label]} {n}", label) for label in words for n in range(30)]
    train += [row("wrong", "good great nice fine", "no"), row("rare", "something else", "maybe")]
    (found,) = label_errors.findings(write(train, [row("t", "bad sad", "no")]))
    assert "wrong" in found.examples
    assert "1 question of labels with fewer than 5 clusters not looked at" in found.told
    (found,) = label_errors.findings(write([row("a", "x"), row("b", "y", "no")], [row("t", "z")]))
    assert (found.severity, found.told[:25]) == (Severity.FINE, "too few questions to tell")


def test_a_label_that_would_be_taught_nowhere_is_taught_whole() -> None:
    labels, vectors = np.array([1] * 6 + [0] * 54), np.eye(60)
    found = label_errors._out_of_fold(vectors, labels, np.arange(60), labels == 0, 0)
    assert (found > 0).all()
    assert found.sum(axis=1) == pytest.approx(1)


def test_doubt_is_in_a_label_for_the_best_of_the_others() -> None:
    """Two labels that have 0.8 and 0.4 where they are given: 0.4 of the one is as much as 0.2 of the other."""
    labels = np.array([0, 1, 0])
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])
    doubts = label_errors._doubts(labels, probabilities)
    assert doubts[0] == pytest.approx([np.log(0.1 / 0.4) - np.log(0.9 / 0.8), np.log(0.9 / 0.8) - np.log(0.1 / 0.4)])
    assert doubts[1, 1] == pytest.approx(np.log(0.6 / 0.8) - np.log(0.4 / 0.4)), "0.6 is less than usual: no doubt"
    assert doubts[1, 1] < 0


def test_the_cut_is_where_nearly_all_other_labels_would_be_doubted() -> None:
    """A hundred rows of label 0, which would be doubted by 1 to 100 if label 1 were given."""
    own = np.arange(1.0, 101)
    doubts = np.stack([-own, own], axis=1)
    cut = label_errors._cut(doubts, np.zeros(100, dtype=np.int64), 0)
    assert (own > cut).mean() == pytest.approx(label_errors.WANTED, abs=0.01)
    assert label_errors._cut(-doubts, np.zeros(100, dtype=np.int64), 0) == 0, "never where the label is its own choice"


def test_what_a_run_looks_at_is_quick_and_serious_only(write: Callable[..., Task]) -> None:
    train = [row(str(n), f"what is number {n} of it all, and who knows {n * 7}?") for n in range(3000)]
    task = write([*train, {**train[5], "id": "twice"}], [row("t", train[7]["question"])])
    before = time.process_time()
    found = serious_at_once(task)
    assert time.process_time() - before < 1, "measured: 0.05 s"
    assert [finding.examples for finding in found] == [("7 = t",)]
    assert {finding.severity for finding in balance.findings(task)} != {Severity.SERIOUS}
