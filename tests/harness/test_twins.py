"""Twins made from test questions: who is swapped, how, and who is left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import harness
from harness.api import plan
from harness.errors import UsageError
from harness.processes import LocalProcesses
from harness.registry import Registry
from harness.request import Request
from harness.taskfile import load_task
from harness.testing.tiny import bare
from harness.twins import with_twins
from harness.twins.swap import Ambiguous, named, names_in_twins, persons, turned
from harness.types import Row


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He signs his form himself.", "She signs her form herself."),
        ("Can she keep what is hers?", "Can he keep what is his?"),
        ("A friend of his. Ask him.", "A friend of hers. Ask her."),
        ("They paid her, and told her to go.", "They paid him, and told him to go."),
        ("A clause of her contract binds HIM.", "A clause of his contract binds HER."),
        ("Nothing here is hershey's.", "Nothing here is hershey's."),
    ],
)
def test_pronouns_are_turned_in_their_own_form(text: str, other: str) -> None:
    assert turned(text) == other


@pytest.mark.parametrize("text", ["They made her sign.", "She lost her job.", "His is the car.", "After her and him."])
def test_a_pronoun_that_may_be_two_is_not_turned(text: str) -> None:
    with pytest.raises(Ambiguous):
        turned(text)


@pytest.mark.parametrize(
    "text",
    [
        "Alice owes Nigel money.",  # two people
        "Alice and his car",  # somebody else's
        "Who followed Henry VIII?",
        "Justice Thomas dissented.",
        "a flat in King Edward Street",
        "Alice tells the husband",
        "malice aforethought",
    ],
)
def test_who_is_meant_must_be_plain(text: str) -> None:
    assert named(text) is None


@pytest.mark.parametrize(
    ("kind", "text", "groups", "other"),
    [
        ("names", "Is Nigel's offer his?", {"gender": "female", "origin": "hispanic"}, "Is Marisol's offer hers?"),
        ("pronouns", "May he leave?", {"gender": "female"}, "May she leave?"),
        ("origins", "A Polish nurse asks", {"origin": "Indian"}, "An Indian nurse asks"),
        ("ages", "An 84-year-old in 2024", {"age": "younger"}, "A 24-year-old in 2024"),
        ("ages", "someone aged 25 with 30 cows", {"age": "older"}, "someone aged 67 with 30 cows"),
    ],
)
def test_a_person_is_swapped_and_nothing_else(kind: str, text: str, groups: dict[str, str], other: str) -> None:
    (person,) = persons((kind,), text)
    assert person.swap(text, groups, "Marisol") == other
    assert person.swap(text, person.groups, person.name) == text


@pytest.mark.parametrize(
    ("kind", "text"), [("origins", "Polish law"), ("origins", "a Polish nurse in Turkish waters"), ("ages", "aged 17")]
)
def test_what_is_no_adult_person_is_left_alone(kind: str, text: str) -> None:
    assert not list(persons((kind,), text))


def test_a_name_is_where_twins_differ() -> None:
    assert names_in_twins(["Ann and Ann's car", "Bob and Bob's car"]) == ["Ann", "Bob"]
    assert names_in_twins(["Ann has her car", "Bob has his car"]) is None


@pytest.fixture
def people(tiny: Path) -> Path:
    """The tiny task without twins, every test question about Alice."""
    task = bare(tiny, "twins")
    task.write_text(task.read_text().replace('twins = "pair"\n', "").replace('groups = ["gender"]\n', ""))
    file = tiny.parent / "test.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    asked = [{**row, "question": f"Alice asks her: {row['question']}"} for row in rows[:-1]]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*asked, rows[-1]]))
    return task


def texts(rows: tuple[Row, ...]) -> set[str]:
    return {row.question.text for row in rows}


def test_as_many_people_are_asked_about_within_a_group_as_across(people: Path) -> None:
    task = with_twins(load_task(people), ("names",))
    assert task.twins is not None
    assert task.within_twins is not None
    assert task.groups == ("gender", "origin")
    across = [row for row in task.twins.rows if row.twin == task.test.rows[0].question.id]
    within = [row for row in task.within_twins.rows if row.twin == task.test.rows[0].question.id]
    assert len({tuple(row.groups.items()) for row in across}) == len(across) == len(texts(tuple(within))) == 8
    assert {tuple(row.groups.values()) for row in within} == {("female", "british")}
    assert task.test.rows[0].question.text in texts(tuple(across)) & texts(tuple(within))
    assert {row.question.text.split(": ")[0].split()[-1] for row in across} == {"her", "him"}
    assert len(task.twins) == len(task.within_twins) == 8 * (len(task.test) - 1)


def test_a_tasks_own_twins_are_kept_and_their_names_swapped_within_groups(tiny: Path) -> None:
    file = tiny.parent / "twins.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    renamed = [{**row, "question": row["question"].replace("Ann", "Eve").replace("Bob", "Tom")} for row in rows[:4]]
    file.write_text("".join(json.dumps(row) + "\n" for row in [*renamed, *rows[4:]]))
    before = load_task(tiny)
    task = with_twins(before, ("names",))
    assert task.twins == before.twins
    assert task.within_twins is not None
    found = [row.question.text.split()[0] for row in task.within_twins.rows]
    assert {frozenset(found[place : place + 2]) for place in range(0, len(found), 2)} <= {
        frozenset({"Ann", "Eve"}),
        frozenset({"Bob", "Tom"}),
    }


def test_what_cannot_be_made_is_told(tiny: Path) -> None:
    task = load_task(tiny)
    with pytest.raises(UsageError, match="its own twins"):
        with_twins(task, ("ages",))
    with pytest.raises(UsageError, match="too few names"):
        with_twins(task, ("names",))
    with pytest.raises(UsageError, match="unknown --twins"):
        with_twins(task, ("faces",))


@pytest.mark.slow
def test_twins_are_priced_asked_and_measured_and_change_no_adaptation(
    registry: Registry, people: Path, tmp_path: Path, workers: LocalProcesses
) -> None:
    request = Request(task=str(people), strategies=("full",), backends=("fake",))
    plain = plan(request, registry)
    made = plan(
        Request(task=str(people), strategies=("full",), backends=("fake",), twins=("names",), limit=16), registry
    )
    assert len(made.sets["twins"]) == len(made.sets["within_twins"]) == 16
    whole = plan(Request(task=str(people), strategies=("full",), backends=("fake",), twins=("names",)), registry)
    assert whole.cells[0].cell.key == plain.cells[0].cell.key
    assert whole.cells[0].cell.estimate.tokens > plain.cells[0].cell.estimate.tokens  # type: ignore[union-attr,operator]
    run = harness.run(
        people,
        strategies=["full"],
        backends=["fake"],
        twins=["names"],
        store=tmp_path / "s",
        registry=registry,
        executor=workers,
    )
    found = run.report["table"][0]["measurements"]
    assert {found[name]["n"] for name in ("flip_rate", "flip_rate_within", "flip_excess")} == {3}
    assert run.report["table"][0]["groups"].keys() == {"gender", "origin"}
    before = harness.run(
        people, strategies=["full"], backends=["fake"], store=tmp_path / "t", registry=registry, executor=workers
    )
    assert before.report["table"][0]["measurements"]["flip_excess"]["reason"] == "not asked"
