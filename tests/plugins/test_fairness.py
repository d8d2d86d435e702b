"""Who gets the positive label: counted on paper, and against fairlearn."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from harness import seeds
from harness.evidence import Evidence
from harness.types import Row
from harness_measures import gaps
from tests.support.given import LABELS, finished, made, measured, row, same, unknown

NAMES = ("parity_gap", "odds_gap")
YES, NO = 0, 1
Counts = Mapping[str, tuple[int, int, int, int]]
"""Value of a group -> true positives, false negatives, false positives, true negatives."""


def people(counts: Counts, group: str = "gender") -> tuple[list[Row], list[int]]:
    """Rows, a cluster each, and what was answered; label A is the positive one."""
    rows, chosen = [], []
    for value, (tp, fn, fp, tn) in counts.items():
        golds, answers = [YES] * (tp + fn) + [NO] * (fp + tn), [YES] * tp + [NO] * fn + [YES] * fp + [NO] * tn
        rows += [row(f"{group} {value} {n}", gold, **{group: value}) for n, gold in enumerate(golds)]
        chosen += answers
    return rows, chosen


def given(counts: Counts, positive: str | None = "A") -> Evidence:
    rows, chosen = people(counts)
    return made({"test": rows}, finished({"test": chosen}), labels=LABELS, groups=["gender"], positive=positive)


TWO: Counts = {"f": (20, 20, 10, 50), "m": (30, 10, 30, 30)}
"""Chosen: 30 of 100, 60 of 100. True positives: 20 and 30 of 40. False positives: 10 and 30 of 60."""


def test_parity_is_of_how_often_the_label_is_given() -> None:
    found = measured("parity_gap", given(TWO))
    assert (found.value, found.n, found.unit, found.better) == (pytest.approx(30), 200, "points", "lower")
    assert found.reason is None
    assert found.low is not None
    assert found.high is not None
    assert 10 < found.low < 30 < found.high < 50


def test_odds_are_the_larger_of_both_rates() -> None:
    """25 points of true positives, a third of false ones; then 50 of true positives."""
    assert measured("odds_gap", given(TWO)).value == pytest.approx(100 / 3)
    assert measured("odds_gap", given({**TWO, "f": (10, 30, 10, 50)})).value == pytest.approx(50)


def test_the_gap_is_between_the_two_values_farthest_apart() -> None:
    assert measured("parity_gap", given({**TWO, "x": (0, 40, 0, 60)})).value == pytest.approx(60)


def test_rates_are_over_all_seeds_and_the_interval_over_clusters() -> None:
    """f is given the label in both seeds, m in one of two; every resample has both."""
    rows = [row("ab"[n % 2], YES, gender="fm"[n // 30]) for n in range(60)]
    cells = finished({"test": [YES] * 60}), finished({"test": [YES] * 30 + [NO] * 30})
    evidence = made({"test": rows}, *cells, labels=LABELS, groups=["gender"], positive="A")
    same(measured("parity_gap", evidence), 50, 50, 50, 60)


def test_the_twins_are_asked_where_there_are_any() -> None:
    rows, chosen = people(TWO)
    cell = finished({"test": [YES] * len(rows), "twins": chosen})
    evidence = made({"test": rows, "twins": rows}, cell, labels=LABELS, groups=["gender"], positive="A")
    assert measured("parity_gap", evidence).value == pytest.approx(30)
    cell = finished({"test": chosen})
    evidence = made({"test": rows, "twins": rows}, cell, labels=LABELS, groups=["gender"], positive="A")
    for name in NAMES:
        unknown(measured(name, evidence), "not asked")


def test_values_with_few_rows_are_named_and_not_compared() -> None:
    """x has 29 rows, all given the label; y has 99, and only 9 of them should be."""
    found = measured("parity_gap", given({**TWO, "x": (29, 0, 0, 0)}))
    assert (found.value, found.n) == (pytest.approx(30), 200)
    assert found.reason == "left out, fewer than 30 rows: gender=x (29)"
    found = measured("odds_gap", given({**TWO, "y": (9, 0, 90, 0), "x": (0, 0, 29, 0)}))
    assert (found.value, found.n) == (pytest.approx(100 / 3), 200)
    assert found.reason == "left out, fewer than 30 rows: gender=x (0), gender=y (9)"


def test_of_many_small_values_the_smallest_are_named() -> None:
    small: Counts = {f"v{n}": (n, 0, 0, 0) for n in range(1, 9)}
    reason = measured("parity_gap", given({**TWO, **small})).reason
    assert reason is not None
    assert reason.endswith("gender=v1 (1), gender=v2 (2), gender=v3 (3), gender=v4 (4), gender=v5 (5) and 3 more")


def test_a_name_of_any_length_is_cut() -> None:
    reason = measured("parity_gap", given({**TWO, "x" * 10_000: (1, 0, 0, 0)})).reason
    assert reason is not None
    assert len(reason) < 120


def test_accuracy_names_small_values_too() -> None:
    found = measured("group_gap", given({**TWO, "x": (29, 0, 0, 0)}))
    assert found.reason == "left out, fewer than 30 rows: gender=x (29)"


@pytest.mark.parametrize("name", NAMES)
def test_fairness_needs_a_positive_label_groups_and_rows(name: str) -> None:
    unknown(measured(name, given(TWO, positive=None)), "names no positive label")
    rows, chosen = people(TWO)
    ungrouped = made({"test": rows}, finished({"test": chosen}), labels=LABELS, positive="A")
    unknown(measured(name, ungrouped), "names no groups")
    unknown(measured(name, given({"f": TWO["f"], "m": (7, 0, 1, 0)})), "fewer than 30 rows in all but one value")
    nobody = made({"test": rows}, finished({"test": chosen}), labels=LABELS, groups=["age"], positive="A")
    unknown(measured(name, nobody), "fewer than 30 rows in all but one value")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_both_are_fairlearns_in_a_thousand_cases(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However small the groups: where a rate has no rows, theirs is 0 and ours is not compared, so there are some."""
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    monkeypatch.setattr(gaps, "LEAST_GROUP", 1)
    monkeypatch.setattr(seeds, "resampled", lambda copies, of: np.full(1, np.nan))
    monkeypatch.setattr(gaps.Gaps, "p", lambda self, shares: None)
    generator = np.random.default_rng(seed)
    cases = [
        {f"v{n}": tuple(generator.integers(1, 9, size=4).tolist()) for n in range(generator.integers(2, 4))}
        for _ in range(200)
    ]
    found = [people(counts) for counts in cases]
    theirs = MetricFrame(
        metrics={"parity": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate},
        y_true=np.array([each.gold == YES for rows, _ in found for each in rows]),
        y_pred=np.array([answer == YES for _, chosen in found for answer in chosen]),
        sensitive_features=[each.groups["gender"] for rows, _ in found for each in rows],
        control_features=[case for case, (rows, _) in enumerate(found) for _ in rows],
    ).difference()
    for case, counts in enumerate(cases):
        parity, *odds = 100 * theirs.loc[case, ["parity", "tpr", "fpr"]]
        assert measured("parity_gap", given(counts)).value == pytest.approx(parity), counts
        assert measured("odds_gap", given(counts)).value == pytest.approx(max(odds)), counts


# -- rates -------------------------------------------------------------------------------------------------

RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")


@pytest.mark.parametrize(("name", "value", "n"), list(zip(RATES, (45, 62.5, 100 / 3), (200, 80, 120), strict=True)))
def test_rates_are_of_the_rows_they_are_about(name: str, value: float, n: int) -> None:
    found = measured(name, given(TWO))
    assert (found.value, found.n, found.unit, found.reason) == (pytest.approx(value), n, "%", None)
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < value < found.high < 100


def test_few_rows_of_a_value_are_flagged_and_told() -> None:
    evidence = given({**TWO, "x": (6, 4, 0, 0)})
    found = measured("selection_rate", evidence.focus("test", ("gender", "x")))
    assert (found.value, found.n, found.reason) == (pytest.approx(60), 10, "fewer than 30 rows")
    unknown(measured("false_positive_rate", evidence.focus("test", ("gender", "x"))), "no rows")


@pytest.mark.parametrize("name", RATES)
def test_rates_need_a_positive_label(name: str) -> None:
    unknown(measured(name, given(TWO, positive=None)), "names no positive label")


@pytest.mark.slow
def test_rates_of_groups_are_fairlearns() -> None:
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    counts: Counts = {**TWO, "x": (3, 5, 7, 11)}
    rows, chosen = people(counts)
    theirs = MetricFrame(
        metrics=dict(zip(RATES, (selection_rate, true_positive_rate, false_positive_rate), strict=True)),
        y_true=np.array([each.gold == YES for each in rows]),
        y_pred=np.array(chosen) == YES,
        sensitive_features=[each.groups["gender"] for each in rows],
    ).by_group
    for value in counts:
        for name in RATES:
            own = measured(name, given(counts).focus("test", ("gender", value))).value
            assert own == pytest.approx(100 * theirs[name][value])
