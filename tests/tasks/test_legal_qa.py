"""The bundled task: built from its sources, balanced, leak-free, with a citation for everything."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from harness.taskfile import load_task
from harness.types import Task
from harness_tasks.legal_qa import build

pytestmark = pytest.mark.slow  # builds the whole task from its sources

FOLDER = Path(build.__file__).parent
WORDING_OVERLAP = 0.3
OPENING_SHARE = 0.02


@pytest.fixture(scope="module")
def task() -> Task:
    return load_task(FOLDER / "task.toml")


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict[str, Any]]]:
    return build.build()


def test_the_files_are_what_their_sources_build(rows: dict[str, list[dict[str, Any]]]) -> None:
    for name, built in rows.items():
        assert (FOLDER / f"{name}.jsonl").read_text(encoding="utf-8") == build.render(built), name


def test_it_is_large_enough(task: Task) -> None:
    assert len(task.documents) >= 400
    unseen = task.extra_tests["unseen_facts"]
    assert task.train is not None
    assert task.validation is not None
    assert sum(map(len, (task.train, task.validation, task.test, unseen))) >= 2400
    assert len(task.test) >= 600
    assert len(unseen) >= 400
    assert len({row.cluster for row in unseen.rows}) >= 100
    assert task.twins is not None
    assert len(task.twins) >= 1000


def test_every_fact_is_cited_and_dated() -> None:
    facts = build.load_facts()
    assert len({fact.id for fact in facts}) == len(facts)
    for fact in facts:
        assert fact.values["jurisdiction"]
        assert fact.values["citation"]
        date.fromisoformat(fact.values["as_of"])


def test_wordings_of_a_fact_differ() -> None:
    for fact in build.load_facts():
        shingles = [_trigrams(fact.values[wording]) for wording in build.WORDINGS]
        for one, other in combinations(shingles, 2):
            assert len(one & other) < WORDING_OVERLAP * len(one | other), fact.id


def _trigrams(text: str) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(words, words[1:], words[2:], strict=False))


def test_no_opening_is_a_habit() -> None:
    questions = [fact.values[wording] for fact in build.load_facts() for wording in build.WORDINGS]
    openings = Counter(" ".join(question.lower().split()[:4]) for question in questions)
    assert max(openings.values()) <= OPENING_SHARE * len(questions)


def test_no_question_holds_its_answer() -> None:
    for fact in build.load_facts():
        for wording in build.WORDINGS:
            assert fact.answer.lower() not in fact.values[wording].lower(), (fact.id, wording)


def test_the_place_of_the_answer_says_nothing(task: Task) -> None:
    for name, found in task.question_sets.items():
        places = Counter(row.gold for row in found.rows)
        if name != "twins":
            assert max(places.values()) - min(places.values()) <= 1, name


def test_wrong_choices_are_answers_of_the_same_type(rows: dict[str, list[dict[str, Any]]]) -> None:
    facts = {fact.id: fact for fact in build.load_facts()}
    answers = defaultdict(set)
    for fact in facts.values():
        answers[fact.pool].add(fact.answer)
    for name in ("train", "validation", "test", "unseen"):
        for row in rows[name]:
            fact = facts[row["fact_id"]]
            assert set(row["choices"]) <= answers[fact.pool], row["id"]
            assert row["choices"][row["answer"]] == fact.answer
            barred = {facts[other].answer for other in fact.values.get("also_right", ())}
            assert not barred & set(row["choices"]), row["id"]


def test_unseen_facts_are_in_no_other_question(rows: dict[str, list[dict[str, Any]]]) -> None:
    unseen = {row["fact_id"] for row in rows["unseen"]}
    assert not unseen & {row["fact_id"] for name in ("train", "validation", "test") for row in rows[name]}
    texts = json.dumps([row["choices"] for name in ("train", "validation", "test") for row in rows[name]])
    for fact in build.load_facts():
        if fact.unseen and fact.values["type"] == "rule":
            assert json.dumps(fact.answer) not in texts


def test_test_facts_are_trained_on_in_other_words(rows: dict[str, list[dict[str, Any]]]) -> None:
    trained = {row["fact_id"] for row in rows["train"]}
    asked = {row["question"] for row in rows["train"]}
    assert {row["fact_id"] for row in rows["test"]} == trained
    assert not asked & {row["question"] for row in rows["test"]}


def test_twins_differ_in_nothing_but_the_person(rows: dict[str, list[dict[str, Any]]]) -> None:
    twins = defaultdict(list)
    for row in rows["twins"]:
        twins[row["twin_id"]].append(row)
    people = build.People().names
    for same in twins.values():
        assert len({(row["gender"], row["origin"]) for row in same}) == len(same) == 8
        assert len({tuple(row["choices"]) for row in same}) == 1
        for row in same:
            assert any(name in row["question"] for name in people[row["gender"]][row["origin"]])
    for group in ("gender", "origin"):
        counts = Counter(row[group] for row in rows["twins"])
        assert min(counts.values()) >= 200
        assert len(set(counts.values())) == 1
