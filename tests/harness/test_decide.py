"""Decisions on facts made by hand: the rule, its words, what would change it; and in worlds of known truth."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pytest

from harness.compare import significance
from harness.compare.metrics import Accuracy
from harness.compare.pairs import difference, verdict
from harness.compare.significance import holm, p_value
from harness.criteria import Criteria, read_criteria
from harness.decide import Candidate, Facts, Pair, choose, decided
from harness.decide.change import changes
from harness.decide.rule import NONE_GOOD, NOTHING
from harness.errors import UsageError
from harness.ownership import Costs, Ownership, Range
from harness.terms import AFTER, BEFORE, Terms
from harness.testing.worlds import World
from tests.support.worlds import at_least, at_most, pairs_of, same_resamples, samples_of, seed

TODAY = date(2026, 11, 26)


def found(value: float | None, low: float | None = None, high: float | None = None) -> dict[str, Any]:
    return {"value": value, "low": low, "high": high}


def candidate(arm: str, accuracy: float | None, licence: str | None = None, **measured: Any) -> Candidate:
    values = {name: each if isinstance(each, dict) else found(each) for name, each in measured.items()}
    own = found(accuracy, *(() if accuracy is None else (accuracy - 2, accuracy + 2)))
    return Candidate(arm, {"accuracy": own, **values}, True, licence)


def facts(
    *arms: Candidate, usd: Mapping[str, float | None], told: Mapping[tuple[str, str], str] | None = None, **use: Any
) -> Facts:
    """Arms further than 4 points apart are better or worse, unless `told` says otherwise; training is all they cost."""
    accuracy = {each.arm: each.measured["accuracy"]["value"] for each in arms}

    def pair(a: str, b: str) -> Pair | None:
        value = accuracy[a] - accuracy[b]
        said = "not separated" if abs(value) < 4 else "better" if value > 0 else "worse"
        said = (told or {}).get((a, b), (told or {}).get((b, a), said))
        return Pair(value, value - 4, value + 4, said, 5.0, 1_000)

    spent = {arm: None if usd[arm] is None else Range(usd[arm], usd[arm], usd[arm]) for arm in usd}  # type: ignore[arg-type]
    costs = [Costs(arm, True, each, 0.0, Range(0.0, 0.0, 0.0), 0.1, 0, 0.0) for arm, each in spent.items()]
    criteria = Criteria.model_validate(use)
    return Facts(arms, "accuracy", 2.0, criteria, Ownership(costs, criteria), pair)


def test_the_most_accurate_is_chosen_where_it_is_separated() -> None:
    made = choose(facts(candidate("base", 60), candidate("full", 80), usd={"base": 0, "full": 100}))
    assert (made.choice, made.ties, made.front) == ("full", (), ("base", "full"))


def test_a_tie_within_the_margin_is_broken_by_cost() -> None:
    made = choose(facts(candidate("lora", 79), candidate("full", 80), usd={"lora": 10, "full": 100}))
    assert (made.choice, made.best, made.ties) == ("lora", "full", ("full",))
    assert made.front == ("lora",), "what costs more must be shown to be better"


def test_cost_does_not_excuse_a_difference_that_was_merely_not_proven() -> None:
    given = facts(candidate("base", 77), candidate("full", 80), usd={"base": 0, "full": 100})
    assert (choose(given).choice, choose(given).ties) == ("full", ("base",))
    equal = facts(
        candidate("base", 77),
        candidate("full", 80),
        usd={"base": 0, "full": 100},
        told={("base", "full"): "equivalent"},
    )
    assert choose(equal).choice == "base", "equivalent arms may be as far apart as they look"


def test_what_costs_an_unknown_amount_is_not_the_cheapest() -> None:
    assert choose(facts(candidate("odd", 80), candidate("full", 79.5), usd={"odd": None, "full": 9})).choice == "full"


def test_what_fails_a_criterion_is_not_chosen_and_the_report_says_why() -> None:
    slow, fast = candidate("full", 90, latency_p95_ms=80), candidate("lora", 80, latency_p95_ms=20)
    given = facts(slow, fast, candidate("rag", 85), usd={"full": 1, "lora": 1, "rag": 1}, most_latency_p95_ms=50)
    made = choose(given)
    assert made.choice == "lora"
    assert made.failed is not None
    assert made.failed["full"] == ["95th percentile of latency at most 50 ms is asked, 80 ms was found"]
    assert made.failed["rag"] == ["95th percentile of latency is not known"], "what is unknown is not met"


def test_none_is_good_enough() -> None:
    made = choose(facts(candidate("full", 80), usd={"full": 1}, least_accuracy=90))
    assert (made.outcome, made.choice) == (NONE_GOOD, None)
    assert choose(facts(candidate("full", None), usd={"full": 1})).outcome == NOTHING


def test_licences_and_data_that_may_not_leave() -> None:
    away = replace(candidate("remote", 95), leaves="api.example.org")
    given = facts(
        away,
        candidate("mit", 80, "mit"),
        candidate("gpl", 90, "gpl"),
        candidate("tfidf", 50),
        usd=dict.fromkeys(("remote", "mit", "gpl", "tfidf"), 1),
        data_may_leave=False,
        licences=["mit", "apache-2.0"],
    )
    made = choose(given)
    assert made.choice == "mit"
    assert made.failed is not None
    assert "api.example.org" in made.failed["remote"][0]
    assert made.failed["gpl"] == ["the licence of its model is gpl, not mit or apache-2.0"]
    assert made.failed["tfidf"] == [], "without a model there is nothing to license"


# -- what would change it ----------------------------------------------------------------------------------


def told(given: Facts) -> dict[str, list[tuple[str, str | None]]]:
    result: dict[str, list[tuple[str, str | None]]] = {}
    for each in changes(given, choose(given)):
        result.setdefault(each.kind, []).append((each.told, each.choice))
    return result


def test_criteria_are_moved_to_the_next_limit_that_changes_the_choice() -> None:
    arms = candidate("full", 90, latency_p95_ms=80), candidate("lora", 80, latency_p95_ms=20)
    given = facts(*arms, usd={"full": 1, "lora": 1}, most_latency_p95_ms=50)
    assert told(given)["criterion"] == [
        ("with 95th percentile of latency at most 19.9 ms (asked: 50 ms), none is good enough", None),
        ("with 95th percentile of latency at most 80 ms (asked: 50 ms), full is chosen", "full"),
    ]


def test_every_change_that_is_told_comes_true() -> None:
    """Deciding under the limit as it is printed gives what is printed."""
    arms = candidate("full", 83.337, ece=12.3456), candidate("lora", 71.113, ece=3.4567)
    for use in ({"least_accuracy": 75.0}, {"most_ece": 8.0}, {"least_accuracy": 60.0, "most_ece": 20.0}):
        given = facts(*arms, usd={"full": 1, "lora": 1}, **use)
        for line, choice in told(given)["criterion"]:
            name = "least_accuracy" if "accuracy" in line else "most_ece"
            limit = float(line.split("(")[0].split("least" if name == "least_accuracy" else "most")[1].split()[0])
            moved = replace(given, criteria=given.criteria.model_copy(update={name: limit}))
            assert choose(moved).choice == choice, line


def test_costs_volumes_and_intervals_are_moved_too() -> None:
    """full costs 120 at once, lora 12·q·0.001: below 10,000 queries a month lora is cheaper; they tie closely."""
    given = facts(
        candidate("lora", 80), candidate("full", 80.5), usd={"lora": 0, "full": 120}, queries_per_month=20_000
    )
    lora, full = given.ownership.costs.values()
    costs = [replace(lora, question=Range(0.001, 0.001, 0.001)), full]
    given = replace(given, ownership=Ownership(costs, given.criteria))
    assert choose(given).choice == "full"
    found = told(given)
    assert found["volume"] == [("below about 10,000 queries a month (assumed: 20,000), lora is chosen", "lora")]
    assert [choice for _, choice in found["price"]] == ["lora", "lora"], "dearer training, or cheaper answers"
    assert "if training cost 2.1 times as much, lora is chosen" in [line for line, _ in found["price"]], "2 is a tie"
    assert found["interval"] == [
        ("if lora truly is 3.5 points better (the end of the interval), lora is chosen", "lora")
    ]


# -- the document ------------------------------------------------------------------------------------------


def test_a_decision_reads_well_and_is_the_same_again() -> None:
    given = facts(candidate("lora", 79), candidate("full", 80), usd={"lora": 10, "full": 100}, least_accuracy=78)
    terms = Terms({"least_accuracy": 78}, None, TODAY)
    document = decided(given, choose(given), terms, ["full: only one seed"])
    assert document["summary"] == [
        "Choose lora: accuracy 79.0 % [77.0, 81.0].",
        "It is not shown to differ from full.",
        "It costs about 10 USD for 10,000 queries a month over 12 months; look again by 2027-05-25.",
    ]
    assert document["declared"] == BEFORE
    assert "accuracy at least 78 % is met by 79, but its interval reaches 77" in document["caveats"]
    assert "full: only one seed" in document["caveats"]
    assert document["sha256"] == decided(given, choose(given), terms, ["full: only one seed"])["sha256"]
    later = replace(terms, declared=AFTER, given={"least_accuracy": 70})
    assert document["sha256"] != decided(given, choose(given), later, [])["sha256"]
    elsewhere = decided(given, choose(given), terms, [], elsewhere=["on other questions, full is 30 points better"])
    assert (
        elsewhere["summary"][1] == "It is not shown to differ from full; on other questions, full is 30 points better."
    )
    assert "on other questions, full is 30 points better" in elsewhere["caveats"]


def test_something_that_ends_brings_the_review_forward() -> None:
    given = facts(candidate("full", 80), usd={"full": 1})
    endings = [(date(2027, 1, 6), "tuning ends at the service"), (date(2026, 1, 1), "long ago")]
    document = decided(given, choose(given), Terms({}, None, TODAY), [], endings=endings)
    assert document["review_by"] == {"date": "2027-01-06", "because": "tuning ends at the service"}
    assert document["declared"] == "defaults"


# -- criteria as given -------------------------------------------------------------------------------------


def test_criteria_given_beat_those_of_the_task(tmp_path: Any) -> None:
    task = {"least_accuracy": 70, "most_ece": 5}
    assert read_criteria("least_accuracy=80", task) == {"least_accuracy": "80", "most_ece": 5}
    assert Criteria.model_validate(read_criteria("least_accuracy=80,licences=mit|apache-2.0")).licences == (
        "mit",
        "apache-2.0",
    )
    file = tmp_path / "criteria.toml"
    file.write_text("least_accuracy = 81\ndata_may_leave = false\n")
    read = Criteria.model_validate(read_criteria(str(file), task))
    assert (read.least_accuracy, read.most_ece, read.data_may_leave) == (81, 5, False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("least_acuracy=80", "unknown criterion 'least_acuracy'; did you mean 'least_accuracy'?"),
        ("least_accuracy=lots", "least_accuracy 'lots': input should be a valid number"),
        ("least_accuracy=101", "least_accuracy '101': input should be less than or equal to 100"),
        ("least_accuracy", "must be NAME=VALUE"),
        ("hosting=cloud", "hosting 'cloud'"),
        ("nowhere.toml", "cannot be read"),
    ],
)
def test_faulty_criteria_are_told_in_one_line(text: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        read_criteria(text)
    assert told in str(error.value)
    assert "\n" not in str(error.value)


# -- worlds of known truth ---------------------------------------------------------------------------------

WORLDS = 500
METRIC = Accuracy()
SHAPES = {
    "two checkpoints": World((0.70, 0.74)),
    "four arms of three seeds": World((0.70, 0.70, 0.72, 0.74), seeds=3),
}


@pytest.fixture
def fewer_flips(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fifth of the time; the smallest p is then 1 / 2,001, far below what any correction here asks for."""
    monkeypatch.setattr(significance, "flipped_sums", functools.partial(significance.flipped_sums, flips=2_000))


def in_world(world: World, draw: np.random.Generator, right: np.ndarray) -> Facts:
    """As a report makes them: Holm over all pairs; what arms cost has nothing to do with how good they are."""
    samples = samples_of(right)
    tested = pairs_of(len(samples))
    adjusted = dict(zip(tested, holm([p_value(samples[a], samples[b], METRIC)[0] for a, b in tested]), strict=True))

    @functools.cache
    def pair(a: str, b: str) -> Pair:
        places = int(a), int(b)
        told = difference(samples[places[0]], samples[places[1]], 0.02, world.clusters * world.size)
        said = verdict(told, adjusted[min(places), max(places)])
        return Pair(told.value * 100, told.low * 100, told.high * 100, said, told.detectable * 100, told.more_questions)

    usd = draw.permutation(len(samples)) + 1.0
    costs = [Costs(str(n), True, Range(*[each] * 3), 0.0, Range(0, 0, 0), 0.1, 0, 0.0) for n, each in enumerate(usd)]
    arms = tuple(Candidate(str(n), {"accuracy": found(each.value * 100)}, True) for n, each in enumerate(samples))
    return Facts(arms, "accuracy", 2.0, Criteria(), Ownership(costs, Criteria()), pair)


@pytest.mark.slow
@pytest.mark.usefixtures(same_resamples.__name__, fewer_flips.__name__)
@pytest.mark.parametrize("name", SHAPES)
def test_a_decision_hardly_ever_leaves_out_the_best(name: str) -> None:
    """Wrong: the truly best arm is neither chosen nor named as a tie."""
    world, wrong = SHAPES[name], 0
    draw, best = np.random.default_rng(seed()), str(int(np.argmax(SHAPES[name].accuracies)))
    for right in world.draws(WORLDS, seed()):
        made = choose(in_world(world, draw, right))
        wrong += best not in {made.choice, *made.ties}
    assert at_most(wrong, WORLDS, 0.05), f"{wrong} of {WORLDS}, seed {seed()}"


@pytest.mark.slow
@pytest.mark.usefixtures(same_resamples.__name__, fewer_flips.__name__)
@pytest.mark.parametrize("name", SHAPES)
def test_what_is_better_by_a_detectable_difference_is_named(name: str) -> None:
    """The best is raised to where its lead over the next is what the first worlds told to be detectable."""
    world = SHAPES[name]
    draw, best = np.random.default_rng(seed()), int(np.argmax(world.accuracies))
    next_best = sorted(range(len(world.accuracies)), key=lambda arm: -world.accuracies[arm])[1]
    leads = []
    for right in world.draws(20, seed()):
        told = in_world(world, draw, right).pair(str(best), str(next_best))
        assert told is not None
        leads.append(told.detectable / 100)
    world = world.raised(best, by=float(np.mean(leads)) - (world.accuracies[best] - world.accuracies[next_best]))
    named = sum(choose(in_world(world, draw, right)).choice == str(best) for right in world.draws(WORLDS, seed()))
    assert at_least(named, WORLDS, 0.80), f"{named} of {WORLDS}, seed {seed()}"
