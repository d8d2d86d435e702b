"""Cost of ownership and break-even, worked by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.criteria import Criteria
from harness.ownership import PARTS, Costs, Ownership, Range


def exactly(value: float) -> Range:
    return Range(value, value, value)


def costs(arm: str, training: float, question: float, trains: bool = True, indexing: float = 0.0) -> Costs:
    return Costs(arm, trains, exactly(training), indexing, exactly(question), 0.1, 1_000, 0.5)


def test_parts_of_a_year() -> None:
    """Trained at 10 USD and again every 3 months: 3 times more in a year. 1,000 labels at 0.02 USD. 12 × 1,000 answers
    at 0.001 USD. Documents of 2 USD are indexed anew each month, 11 times more, of which 3 come with training."""
    use = Criteria(queries_per_month=1_000, retrain_every_months=3, refresh_every_months=1, label_usd=0.02)
    found = Ownership([costs("full+rag", 10, 0.001, indexing=2.0)], use).parts("full+rag", 1_000)
    assert found == pytest.approx(dict(zip(PARTS, (10, 30, 20, 16, 0, 12), strict=True)))


def test_what_does_not_train_needs_no_labels_and_is_not_trained_again() -> None:
    use = Criteria(retrain_every_months=1, label_usd=1.0)
    found = Ownership([costs("base", 0, 0.001, trains=False)], use).parts("base", 0)
    assert found == dict.fromkeys(PARTS, 0.0)


@pytest.mark.parametrize("hosting", ["per request", "always on"])
def test_a_model_that_must_stay_deployed_is_paid_for_all_month(hosting: str) -> None:
    """3 USD an hour, 730 hours a month, 12 months; beside it 12 × 1,000 answers at 0.001 USD."""
    tuned = replace(costs("hosted", 10, 0.001), rented_hour=3.0)
    found = Ownership([tuned], Criteria(hosting=hosting, queries_per_month=1_000)).parts("hosted", 1_000)
    assert found is not None
    assert (found["hosting"], found["answering"]) == pytest.approx((3 * 730 * 12, 12.0))


def test_the_cheapest_flips_where_two_lines_cross() -> None:
    """12 months: 120 + 12·q·0.001 against 0 + 12·q·0.011 cross at q = 1,000."""
    found = Ownership([costs("tuned", 120, 0.001), costs("large", 0, 0.011)], Criteria())
    (flip,) = found.flips(["tuned", "large"])
    assert flip["queries_per_month"] == pytest.approx(1_000)
    assert (flip["cheaper"], flip["than"]) == ("tuned", "large")
    assert (flip["low"], flip["high"]) == pytest.approx((1_000, 1_000)), "nothing is uncertain here"
    assert (found.cheapest(["tuned", "large"], 999), found.cheapest(["tuned", "large"], 1_001)) == ("large", "tuned")


def test_the_range_of_a_flip_joins_the_ends_that_favour_either() -> None:
    """120 USD may be 60 or 240: 60 crosses at 500, 240 at 2,000."""
    tuned = replace(costs("tuned", 0, 0.001), training=Range(120, 60, 240))
    (flip,) = Ownership([tuned, costs("large", 0, 0.011)], Criteria()).flips(["tuned", "large"])
    assert (flip["low"], flip["high"]) == pytest.approx((500, 2_000))


def test_a_flip_that_one_end_never_reaches_has_no_end_there() -> None:
    """At its high end the tuned one costs as much an answer as the other: it never becomes cheaper."""
    tuned = replace(costs("tuned", 120, 0), question=Range(0.001, 0.0005, 0.011))
    (flip,) = Ownership([tuned, costs("large", 0, 0.011)], Criteria()).flips(["tuned", "large"])
    assert flip["low"] == pytest.approx(120 / 12 / 0.0105)
    assert flip["high"] is None


def test_what_is_cheaper_in_everything_never_flips() -> None:
    found = Ownership([costs("tuned", 120, 0.002), costs("base", 0, 0.001)], Criteria())
    assert found.flips(["tuned", "base"]) == []
    assert found.document(["tuned", "base"], {})["told"] == "base costs least at any volume"


def test_machines_that_are_always_on_come_whole() -> None:
    """An answer of 0.1 s at half of the time busy: one machine does 730·3600·0.5/0.1 = 13,140,000 a month."""
    found = Ownership([costs("base", 0, 9.0)], Criteria(hosting="always on"))
    a_year = 0.5 * 730 * 12
    for queries, machines in ((0, 1), (13_140_000, 1), (13_140_001, 2), (40_000_000, 4)):
        parts = found.parts("base", queries)
        assert parts is not None
        assert (parts["hosting"], parts["answering"]) == (pytest.approx(machines * a_year), 0)


@pytest.mark.parametrize(
    ("missing", "told"),
    [("training", "training it"), ("question", "answering"), ("indexing", "indexing")],
)
def test_what_is_not_known_is_not_cheap(missing: str, told: str) -> None:
    odd = replace(costs("odd", 0, 0), **{missing: None})  # type: ignore[arg-type]
    found = Ownership([odd, costs("base", 100, 1)], Criteria())
    assert found.total("odd") is None
    assert found.cheapest(["odd", "base"]) == "base"
    (shown, _) = found.document(["odd", "base"], {})["arms"]
    assert shown["total_usd"] == {"value": None, "low": None, "high": None}
    assert shown["reason"] == f"what {told} costs is not known"
    assert shown["curve"] == []


def test_assumptions_name_where_they_come_from() -> None:
    use = Criteria(queries_per_month=5)
    found = Ownership([costs("base", 0, 1)], use).document(["base"], {"queries_per_month": "before the run"})
    told = {each["name"]: (each["value"], each["source"]) for each in found["assumptions"]}
    assert told["queries_per_month"] == (5, "before the run")
    assert told["horizon_months"] == (12, "default")
