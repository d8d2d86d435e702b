"""The viewer's filters and figures, against rows that can be counted on paper and against a loop in plain Python."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

import harness.codec
import harness.testing.stores
from harness.errors import StoreError, UsageError
from harness.processes import LocalProcesses
from harness.testing import fake_spec
from harness.testing.running import PASSAGES, tried
from harness.testing.stores import WrittenArm, WrittenTask, write_run
from harness.types import Answers, Question, Row, Status, Text
from harness.view import overview, runs
from harness.view.filters import read_filter
from harness.view.masks import matching
from harness.view.rows import documents, neighbours, place_of, rows_at
from harness.view.runs import Runs, RunView
from harness.view.tallies import summed
from tests.support.viewed import RUN, counted

RAG, FULL, BASE = "rag@fake:words", "full@fake:words", "base@fake:words"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunView:
    return Runs(counted(tmp_path_factory.mktemp("counted"))).open()


def kept(run: RunView, **query: str) -> str:
    """The numbers of the rows that a filter leaves."""
    wanted = read_filter(list(query.items()), run)
    return "".join(map(str, np.flatnonzero(matching(run.set(wanted.set), wanted))))


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ({}, "01234567"),
        ({"arm": RAG, "right": "0"}, "237"),
        ({"arm": FULL, "right": "1"}, "026"),
        ({"arm": FULL, "right": "mixed"}, "14"),
        ({"arm": FULL, "right": "1", "seed": "0"}, "0246"),
        ({"arm": FULL, "right": "0", "seed": "1"}, "3457"),
        ({"right": "1"}, "0"),
        ({"right": "0"}, "7"),
        ({"differ": "1"}, "123456"),
        ({"better": BASE, "worse": RAG}, "23"),
        ({"better": RAG, "worse": BASE}, "456"),
        ({"better": FULL}, "026"),
        ({"arm": RAG, "hit": "1", "right": "1"}, "0156"),
        ({"arm": RAG, "hit": "1", "right": "0"}, "2"),
        ({"arm": RAG, "hit": "0", "right": "1"}, "4"),
        ({"arm": RAG, "hit": "0", "right": "0"}, "3"),
        ({"hit": "1"}, "01256"),
        ({"arm": BASE, "hit": "1"}, ""),
        ({"group": "gender:male"}, "1357"),
        ({"group": "gender:male", "arm": RAG, "right": "0"}, "37"),
        ({"marked": "gender"}, "01234567"),
        ({"hit": "known"}, "0123456"),
        ({"arm": RAG, "versus": BASE}, "23456"),
        ({"arm": FULL, "versus": RAG}, "1245"),
        ({"arm": RAG, "bin": "1"}, "01234567"),
        ({"arm": RAG, "bin": "2"}, ""),
        ({"arm": RAG, "surest": "3", "right": "0"}, "2"),
        ({"twins": "1", "gold": "noon"}, "147"),
        ({"answerable": "1"}, ""),
        ({"cluster": "c1"}, "23"),
        ({"twin": "t3"}, "67"),
        ({"gold": "noon"}, "147"),
        ({"arm": RAG, "answer": "noon"}, "134"),
        ({"arm": FULL, "answer": "noon"}, "3"),
        ({"q": "OWLS"}, "01"),
        ({"q": "straße"}, "7"),
        ({"q": "q5"}, "5"),
        ({"q": "a.*e"}, ""),
        ({"q": "", "arm": ""}, "01234567"),
    ],
)
def test_filters_by_hand(run: RunView, query: Mapping[str, str], rows: str) -> None:
    assert kept(run, **query) == rows


def test_several_values_of_a_group_are_any_of_them(run: RunView) -> None:
    wanted = read_filter([("group", "gender:male"), ("group", "gender:female"), ("arm", RAG), ("right", "0")], run)
    assert np.flatnonzero(matching(run.set("test"), wanted)).tolist() == [2, 3, 7]
    assert wanted.conditions()[2:] == [
        ("group", "gender:male", {"arm": RAG, "right": "0", "group": ("gender:female",)}),
        ("group", "gender:female", {"arm": RAG, "right": "0", "group": ("gender:male",)}),
    ]


def test_what_rows_come_to_by_hand(run: RunView) -> None:
    def told(**query: str) -> tuple[str, int, int, str]:
        wanted = read_filter(list(query.items()), run)
        found = summed(run.set("test"), wanted, matching(run.set("test"), wanted)).tally
        assert found is not None
        return found.told, found.met, found.of, found.unit

    assert told(arm=RAG) == ("right", 5, 8, "questions")
    assert told(arm=FULL) == ("right", 8, 16, "answers")
    assert told(arm=FULL, right="0") == ("wrong", 8, 16, "answers")
    assert told(arm=FULL, right="mixed") == ("seeds differ", 2, 8, "questions")
    assert told(arm=RAG, hit="0", right="1") == ("miss and right", 1, 7, "questions")
    assert told(arm=RAG, hit="known", right="0") == ("wrong", 2, 7, "questions")
    assert told(arm=RAG, group="gender:male") == ("right", 2, 4, "questions")
    assert told(arm=BASE, flip="1")[2:] == (4, "sets of twins")
    wanted = read_filter([("arm", RAG), ("versus", BASE)], run)
    found = summed(run.set("test"), wanted, matching(run.set("test"), wanted))
    assert found.against is not None
    assert (found.against.points, found.against.of) == (12.5, 8)
    assert [(part.told, part.count) for part in found.parts] == [
        ("the first right, the other wrong", 3),
        ("the other right, the first wrong", 2),
    ]


def test_flips_by_hand(run: RunView) -> None:
    """What twins are answered is compared, not whether it is right: `base` has 0 and 1 right, by different choices."""
    index = run.set("test")
    for arm in (BASE, RAG):
        (seed,) = index.arms[arm].seeds
        by_hand = [n for n in range(8) if seed.chosen[n] != seed.chosen[n ^ 1]]
        assert kept(run, arm=arm, flip="1") == "".join(map(str, by_hand))
    assert kept(run, flip="1") != ""


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"sett": "test"}, "unknown parameter 'sett'; did you mean 'set'?"),
        ({"set": "tests"}, "unknown set 'tests'; did you mean 'test'?"),
        ({"arm": "rag"}, "unknown arm 'rag'"),
        ({"better": "x"}, "unknown better 'x'"),
        ({"right": "yes"}, "right must be 1 or 0 or mixed"),
        ({"hit": "2"}, "hit must be 1 or 0"),
        ({"differ": "0"}, "differ must be 1"),
        ({"group": "gender:x"}, "unknown group 'gender:x'"),
        ({"seed": "7"}, "unknown seed '7'"),
        ({"seed": "-1"}, "seed must be a whole number from 0"),
        ({"seed": "1", "arm": RAG}, f"arm {RAG!r} has no seed 1"),
        ({"page": "0"}, "page must be a whole number from 1"),
        ({"page": "1e3"}, "page must be a whole number"),
        ({"page": "٣"}, "page must be a whole number"),
        ({"page": "9" * 5000}, "page must be a whole number"),
        ({"size": "51"}, "size must be a whole number from 1 to 50"),
        ({"bin": "1"}, "bin needs an arm that it is about"),
        ({"surest": "0", "arm": RAG}, "surest must be a whole number from 1"),
        ({"versus": BASE}, "versus needs an arm that it is about"),
        ({"bin": "1", "arm": BASE}, "are no probabilities, so that it has no bins"),
        ({"marked": "sex"}, "unknown group 'sex'"),
        ({"gap": "1"}, "gap is about the sets train_sample and test, where there are both"),
        ({"excess": "1"}, "excess is about the sets twins and within_twins"),
        ({"q": "x" * 501}, "q must be at most 500 characters"),
    ],
)
def test_what_is_no_filter_is_told(run: RunView, query: Mapping[str, str], told: str) -> None:
    with pytest.raises(UsageError) as refused:
        kept(run, **query)
    assert told in str(refused.value)


def test_a_condition_given_twice_is_refused(run: RunView) -> None:
    with pytest.raises(UsageError, match="right is given twice"):
        read_filter([("right", "1"), ("right", "0")], run)


def test_an_address_holds_what_is_not_usual_and_begins_at_its_first_page(run: RunView) -> None:
    wanted = read_filter([("arm", RAG), ("right", "0"), ("page", "3"), ("seed", "0")], run)
    assert wanted.query() == {"seed": 0, "arm": RAG, "right": "0"}
    assert wanted.query(page=4, right=None) == {"seed": 0, "arm": RAG, "page": 4}
    assert wanted.conditions() == [
        ("arm", RAG, {"seed": 0, "right": "0"}),
        ("right", "0", {"seed": 0, "arm": RAG}),
    ]


def test_every_arms_answer_stands_beside_the_question(run: RunView) -> None:
    index = run.set("test")
    one, five = rows_at(index, np.array([1, 5]), None)
    assert (one.id, one.texts) == ("q1", ("When are Owls awake, wording 1?",))
    assert (one.groups, one.cluster, one.twin) == ((("gender", "male"),), "c0", "t0")
    base, rag, full = one.answers
    assert (base.state, base.given, base.share) == ("right", (("noon", 1),), None), "its scores only rank"
    assert (rag.score, rag.share) == ("80 %", pytest.approx(0.8))
    assert rag.passages is not None
    assert (rag.passages.names, rag.passages.hit) == (("bats", "owls"), True)
    assert (full.state, full.seeds, full.passages) == ("1 of 2 right", 2, None)
    assert sorted(full.given) == [("night", 1), ("noon", 1)]
    assert full.share == pytest.approx(0.45), "the mean of 80 and 10 %"
    assert [choice.chosen_by for choice in one.choices] == [0, 3, 1]
    assert five.answers[0].state == "wrong"
    (alone,) = rows_at(index, np.array([1]), 0)
    assert [answer.state for answer in alone.answers] == ["right", "right", "wrong"]


def test_neighbours_are_those_of_the_filter(run: RunView) -> None:
    index = run.set("test")
    near = neighbours(index, np.array([2, 3, 7]), 3)
    assert (near.previous, near.next, near.number, near.count, near.page(2)) == ("q2", "q7", 2, 3, 1)
    apart = neighbours(index, np.array([2, 3, 7]), 5)
    assert (apart.previous, apart.next, apart.number, apart.page(2)) == ("q3", "q7", None, 2)
    nobody = neighbours(index, np.array([], dtype=np.int64), 5)
    assert (nobody.previous, nobody.next, nobody.number, nobody.page(2)) == (None, None, None, 1)


def test_documents_are_found_by_name(run: RunView) -> None:
    assert documents(run.documents, ["owls", "gone", "owls"]) == {"owls": ("Owls", "owls sleep by day")}


def test_figures_lead_to_as_many_rows_as_they_say(run: RunView) -> None:
    from urllib.parse import parse_qsl, urlsplit

    found = overview.agreement(run, run.set("test"), None)
    for table in overview.tables(run, run.set("test"), None):
        counts = table.title not in ("Accuracy by gender",)
        found += [each for line in table.lines for each in line.figures if each.url and counts]
    assert len(found) > 20
    for figure in found:
        assert figure.url is not None
        wanted = read_filter(parse_qsl(urlsplit(figure.url).query), run)
        assert int(figure.text) == matching(run.set("test"), wanted).sum(), figure


def test_accuracies_by_hand(run: RunView) -> None:
    table = overview.accuracies(run, None)
    shown = {(line.name, line.minor): line.figures[0].text for line in table.lines}
    assert shown == {
        (RAG, False): "62.5",
        (BASE, False): "50.0",
        (FULL, False): "50.0",
        ("seed 0", True): "50.0",
        ("seed 1", True): "50.0",
    }
    assert {line.name for line in overview.accuracies(run, 1).lines} == {FULL}


def test_pages_of_many_parts_are_those_of_a_plain_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """43 rows in parts of 5; every filter is held against a loop over the rows themselves."""
    for module in (harness.codec, harness.testing.stores):
        monkeypatch.setattr(module, "PART_ROWS", 5)
    draw = random.Random(1)
    rows, chosen, read = [], [], []
    for n in range(43):
        choices = tuple(draw.sample(("dawn", "noon", "night", "dusk", "noon o'clock"), draw.randint(2, 5)))
        asked = Question(f"q{n}", (Text(draw.choice(("Owls", "bats", "OWLS and bats"))), Text(f"{n}")), choices)
        groups = {"gender": draw.choice(("f", "m"))} if draw.random() < 0.8 else {}
        evidence = tuple(draw.sample(("a", "b", "c"), draw.randint(0, 2)))
        rows.append(Row(asked, draw.randrange(len(choices)), f"c{n % 7}", groups, evidence, None))
        chosen.append(draw.randrange(len(choices)))
        read.append(tuple(draw.sample(("a", "b", "c", "d"), draw.randint(0, 3))))
    scores = tuple(
        np.eye(len(row.question.choices), dtype=np.float32)[pick] for row, pick in zip(rows, chosen, strict=True)
    )
    arms = [WrittenArm("rag", [{"test": Answers(scores, tuple(read))}])]
    write_run(tmp_path, RUN, WrittenTask({"test": rows}, groups=("gender",), abstain="noon"), arms)
    run = Runs(tmp_path).open()
    expected: dict[tuple[str, str], Callable[[int], bool]] = {
        ("right", "1"): lambda n: chosen[n] == rows[n].gold,
        ("right", "0"): lambda n: chosen[n] != rows[n].gold,
        ("hit", "1"): lambda n: bool(set(read[n]) & set(rows[n].evidence)),
        ("hit", "0"): lambda n: bool(rows[n].evidence) and not set(read[n]) & set(rows[n].evidence),
        ("gold", "noon"): lambda n: rows[n].question.choices[rows[n].gold] == "noon",
        ("answer", "noon"): lambda n: rows[n].question.choices[chosen[n]] == "noon",
        ("q", "owls"): lambda n: "owls" in rows[n].question.text.lower(),
        ("cluster", "c3"): lambda n: rows[n].cluster == "c3",
        ("group", "gender:f"): lambda n: rows[n].groups.get("gender") == "f",
        ("marked", "gender"): lambda n: bool(rows[n].groups),
        ("hit", "known"): lambda n: bool(rows[n].evidence),
        ("answerable", "0"): lambda n: rows[n].question.choices[rows[n].gold] == "noon",
        ("answerable", "1"): lambda n: "noon" in {*rows[n].question.choices} - {rows[n].question.choices[rows[n].gold]},
        ("abstained", "1"): lambda n: rows[n].question.choices[chosen[n]] == "noon",
    }
    index = run.set("test")
    for condition, holds in expected.items():
        wanted = read_filter([condition], run)
        assert np.flatnonzero(matching(index, wanted)).tolist() == [n for n in range(43) if holds(n)], condition
    places = np.array([0, 4, 5, 17, 42])
    assert [row.id for row in rows_at(index, places, None)] == ["q0", "q4", "q5", "q17", "q42"]
    assert [row.answers[0].passages.names for row in rows_at(index, places, None)] == [read[n] for n in places]
    assert [place_of(index, f"q{n}") for n in (0, 42, 43)] == [0, 42, None]


@pytest.mark.slow
def test_figures_are_those_of_the_report(tiny: Path, tmp_path: Path, workers: LocalProcesses) -> None:
    found = tried(tiny, ("base", PASSAGES), fake_spec(), tmp_path / "store", workers)
    run = Runs(tmp_path / "store").open(found.run.id)
    reported = {arm["arm"]: arm for arm in found.run.report["table"]}
    assert {"test", "unseen_facts", "twins"} <= set(run.sets)
    assert "train" not in run.sets
    for name in ("test", "unseen_facts"):
        for arm, told in reported.items():
            measured = (told["measurements"] if name == "test" else told["tests"][name])["accuracy"]
            shown = run.set(name).accuracy(arm, None)
            assert (shown.value, shown.low, shown.high) == pytest.approx(
                tuple(None if measured[field] is None else measured[field] / 100 for field in ("value", "low", "high"))
            )
    reads = next(arm for arm in reported if arm.startswith(PASSAGES))
    n = len(run.set("test"))
    for hit, right, measure in (("1", "1", "hit_right"), ("1", "0", "hit_wrong"), ("0", "1", "miss_right")):
        wanted = read_filter([("arm", reads), ("hit", hit), ("right", right)], run)
        share = 100 * matching(run.set("test"), wanted).sum() / n
        assert share == pytest.approx(reported[reads]["measurements"][measure]["value"])
    for arm, told in reported.items():
        twins = read_filter([("set", "twins"), ("arm", arm), ("flip", "1")], run)
        flipped = 100 * matching(run.set("twins"), twins).sum() / len(run.set("twins"))
        assert flipped == pytest.approx(told["measurements"]["flip_rate"]["value"]), "all sets are of two"


def test_a_run_that_goes_on_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "LOOK_AGAIN_S", -1.0)
    rows = [Row(Question("q", (Text("?"),), ("a", "b")), 0, "c")]
    done = WrittenArm("base", [{"test": Answers((np.array([1, 0], dtype=np.float32),))}])
    waiting = WrittenArm("rag", (), status=Status.PLANNED)
    write_run(tmp_path, RUN, WrittenTask({"test": rows}), [done, waiting], ended=False)
    held = Runs(tmp_path)
    before = held.open()
    assert (before.going_on, [cell.arm for cell in before.cells]) == (True, [BASE])
    assert [(cell.arm, cell.status) for cell in before.missing] == [(RAG, "planned")]
    first = before.set("test")
    assert held.open().set("test") is first, "what has not changed is not made anew"
    later = WrittenArm("rag", done.seeds)
    write_run(tmp_path, RUN, WrittenTask({"test": rows}), [done, later])
    after = held.open(RUN)
    assert (after.going_on, set(after.set("test").arms)) == (False, {BASE, RAG})
    assert held.open(RUN) is after, "what has ended is read once"


def test_damage_is_told_in_a_line(tmp_path: Path) -> None:
    run = Runs(counted(tmp_path)).open()
    for part in (tmp_path / "parts").rglob("*.arrow"):
        part.write_bytes(b"spoilt")
    with pytest.raises(StoreError, match="damaged"):
        run.set("test")


def test_runs_are_listed_and_found_by_id(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="unknown run 'x'"):
        Runs(counted(tmp_path)).open("x")
    assert [(each.id, each.task, each.cells, each.state) for each in Runs(tmp_path).list()] == [
        (RUN, "animals", 5, "done")
    ]
