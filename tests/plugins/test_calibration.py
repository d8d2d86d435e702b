"""Calibration and selective answering: counted on paper, against plain loops and against scikit-learn."""

from __future__ import annotations

import functools
import itertools
import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness import stats
from harness.evidence import CellEvidence, Evidence
from harness.plugin import NOT_PROBABILITIES
from harness.types import Answers
from tests.support.given import finished, made, measured, row, same, unknown

NAMES = ("ece", "brier", "aurc")


def believed(*probabilities: Sequence[float]) -> CellEvidence:
    """A cell whose probabilities of each question's choices are these; its scores are shifted, as scores may be."""
    scores = (np.log(np.array(each)) + number for number, each in enumerate(probabilities))
    return replace(finished(), answers={"test": Answers(tuple(each.astype(np.float32) for each in scores))})


def sure(*confidences: float) -> CellEvidence:
    """Of two choices the first is answered, with these probabilities."""
    return believed(*((each, 1 - each) for each in confidences))


def asked(golds: Sequence[int], *cells: CellEvidence, clusters: str = "") -> Evidence:
    """A cluster each, or those named by letters."""
    names = clusters or [str(number) for number in range(len(golds))]
    return made({"test": [row(name, gold) for name, gold in zip(names, golds, strict=True)]}, *cells)


@functools.cache
def world(rows: int, over: float, seed: int = 0, seeds: int = 1, size: int = 1) -> Evidence:
    """Answers of two choices that are right as often as they are sure, less `over`; rows of a cluster of `size` share
    half of what decides."""
    generator = np.random.default_rng(seed)
    confidence = 0.65 + 0.34 * generator.beta(2, 2, size=rows)
    shared = np.repeat(generator.random(-(-rows // size)), size)[:rows]
    luck = np.where(generator.random(rows) < 0.5, shared, generator.random(rows))
    golds = (luck >= confidence - over).astype(int).tolist()
    clusters = [str(number // size) for number in range(rows)]
    cells = [sure(*np.clip(confidence + generator.normal(0, 1e-3, rows), 0.5, 0.999)) for _ in range(seeds)]
    return made({"test": [row(name, gold) for name, gold in zip(clusters, golds, strict=True)]}, *cells)


# -- expected calibration error ----------------------------------------------------------------------------


def test_few_questions_make_one_bin() -> None:
    """Sure of 75 % on average, right in 2 of 4."""
    found = measured("ece", asked([0, 0, 1, 1], sure(0.9, 0.8, 0.7, 0.6)))
    assert (found.value, found.n, found.spread) == (pytest.approx(25), 4, None)
    assert (found.unit, found.better) == ("points", "lower")


def test_too_sure_here_and_too_unsure_there_do_not_cancel() -> None:
    """Ten rows at 90 %, 8 right; ten at 60 %, 7 right: both bins are off by 10 points, all together by none."""
    golds = [0] * 8 + [1] * 2 + [0] * 7 + [1] * 3
    assert measured("ece", asked(golds, sure(*[0.9] * 10, *[0.6] * 10))).value == pytest.approx(10)


def test_the_error_is_averaged_over_seeds() -> None:
    """Off by 25 points, and by 5 the other way."""
    found = measured("ece", asked([0, 0, 1, 1], sure(0.9, 0.8, 0.7, 0.6), sure(*[0.55] * 4)))
    assert found.value == pytest.approx(15)
    assert found.spread == pytest.approx(20 / 2**0.5)


def test_equal_confidence_is_one_bin() -> None:
    """Bins of rows that confidence does not tell apart would be off by the order of rows."""
    golds = [0] * 60 + [1] * 40
    assert measured("ece", asked(golds, sure(*[0.6] * 100))).value == pytest.approx(0, abs=1e-4)


def test_where_noise_may_be_all_the_interval_begins_at_nothing() -> None:
    """Off by +0.2 (a) and −0.6 (b), −0.2 on average. Resamples are off by 0.2, −0.2 and −0.6, which is at most 0.4
    from what was found: more than that. Half of them are off by 0.2, so that resampling has no bias to take off."""
    same(measured("ece", asked([0, 1], sure(0.8, 0.6), clusters="ab")), 20, 0, 60, 2)


def test_where_noise_is_not_all_the_interval_is_turned_round() -> None:
    """Off by −0.55 (a) and −0.75 (b): resamples by 0.55, 0.65 and 0.75, at most 0.1 from what was found."""
    same(measured("ece", asked([1, 1], sure(0.55, 0.75), clusters="ab")), 65, 55, 75, 2)


def test_bins_hold_equally_many_as_a_plain_loop_counts_them() -> None:
    chance = random.Random(1)
    confidences = [0.5 + chance.random() / 2 for _ in range(317)]
    golds = [int(chance.random() > each**2) for each in confidences]
    order = sorted(range(317), key=lambda number: confidences[number])
    total = 0.0
    for own in range(15):
        rows = [place for rank, place in enumerate(order) if rank * 15 // 317 == own]
        assert len(rows) in (21, 22)
        right = sum(golds[place] == 0 for place in rows) / len(rows)
        total += len(rows) / 317 * abs(right - sum(confidences[place] for place in rows) / len(rows))
    assert measured("ece", asked(golds, sure(*confidences))).value == pytest.approx(100 * total, abs=1e-4)


@pytest.mark.parametrize("size", [1, 4])
@pytest.mark.slow
def test_a_calibrated_arm_has_little_error_and_an_overconfident_one_the_planted(size: int) -> None:
    calibrated, over = (measured("ece", world(4_000, planted, size=size)) for planted in (0, 0.15))
    assert (calibrated.value, calibrated.low) == (pytest.approx(0, abs=3), 0)
    assert over.value == pytest.approx(15, abs=2.5)
    assert over.low is not None
    assert over.high is not None
    assert 10 < over.low < over.value < over.high < 20


@pytest.mark.slow
@pytest.mark.parametrize("over", [0.0, 0.03, 0.1])
def test_nineteen_of_twenty_intervals_hold_the_planted_error(over: float) -> None:
    found = [measured("ece", world(400, over, seed, size=2)) for seed in range(200)]
    assert all(each.low <= each.value <= each.high for each in found)  # type: ignore[operator]
    held = sum(each.low <= 100 * over <= each.high for each in found)  # type: ignore[operator]
    assert held / 200 >= 0.88


# -- Brier score -------------------------------------------------------------------------------------------


def test_brier_is_the_squared_error_of_all_choices() -> None:
    """0.3² + 0.2² + 0.1² where the first is right, 0.7² + 0.8² + 0.1² where the second is."""
    cell = believed((0.7, 0.2, 0.1), (0.7, 0.2, 0.1))
    found = measured("brier", asked([0, 1], cell, clusters="ab"))
    same(found, 0.64, 0.14, 1.14, 2)
    assert (found.unit, found.better) == ("", "lower")


def test_brier_is_averaged_over_seeds_and_choices_may_be_of_any_number() -> None:
    cells = believed((0.5, 0.5), (0.2, 0.2, 0.6)), believed((1 - 1e-9, 1e-9), (0.2, 0.2, 0.6))
    found = measured("brier", asked([0, 2], *cells))
    assert found.value == pytest.approx((0.5 + 0.24 + 0 + 0.24) / 4, abs=1e-6)
    assert found.spread == pytest.approx(0.25 / 2**0.5, abs=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("labels", [2, 4])
def test_brier_is_scikit_learns(labels: int) -> None:
    """Of two labels theirs looks at one alone, which is half of it."""
    from sklearn.metrics import brier_score_loss

    generator = np.random.default_rng(labels)
    found, golds = generator.dirichlet(np.ones(labels), size=80), generator.integers(labels, size=80)
    value = measured("brier", asked(golds.tolist(), believed(*found))).value
    loop = np.mean([sum((p - (k == gold)) ** 2 for k, p in enumerate(p)) for p, gold in zip(found, golds, strict=True)])
    assert value == pytest.approx(loop, abs=1e-4)
    if labels == 2:
        assert value == pytest.approx(2 * brier_score_loss(golds, found[:, 1]), abs=1e-4)


# -- risk and coverage -------------------------------------------------------------------------------------


def test_the_area_is_the_mean_error_rate_over_all_coverages() -> None:
    """Surest first: right, wrong, right. Error rates 0 of 1, 1 of 2, 1 of 3."""
    found = measured("aurc", asked([0, 0, 1], sure(0.7, 0.9, 0.8)))
    assert found.value == pytest.approx(100 * (0 + 1 / 2 + 1 / 3) / 3)
    assert (found.n, found.unit, found.better) == (3, "%", "lower")


def test_whoever_knows_what_it_does_not_know_has_the_least_area() -> None:
    golds = [0] * 6 + [1] * 4
    best, worst = (measured("aurc", asked(golds, sure(*order))) for order in (RISING[::-1], RISING))
    assert best.value == pytest.approx(100 * sum(max(0, k - 6) / k for k in range(1, 11)) / 10)
    assert worst.value == pytest.approx(100 * sum(min(k, 4) / k for k in range(1, 11)) / 10)


RISING = [0.55 + 0.04 * number for number in range(10)]


def test_without_order_it_is_the_share_of_wrong_answers() -> None:
    assert measured("aurc", asked([0, 1, 1, 0, 1], sure(*[0.8] * 5))).value == pytest.approx(60)


def test_questions_of_equal_confidence_count_as_in_random_order() -> None:
    """A plain loop over all orders of the three in the middle."""
    golds = [0, 1, 0, 1, 1]
    areas = []
    for middle in itertools.permutations([1, 2, 3]):
        wrong = [golds[place] for place in (0, *middle, 4)]
        areas.append(sum(sum(wrong[:k]) / k for k in range(1, 6)) / 5)
    found = measured("aurc", asked(golds, sure(0.9, 0.7, 0.7, 0.7, 0.6)))
    assert found.value == pytest.approx(100 * sum(areas) / len(areas))


def test_the_areas_interval_is_over_clusters() -> None:
    """Of four resamples one is all wrong and one all right."""
    same(measured("aurc", asked([1, 0], sure(0.9, 0.8), clusters="ab")), 75, 0, 100, 2)


@pytest.mark.slow
def test_the_areas_interval_is_a_plain_loops() -> None:
    """More questions than resampling tells apart levels of confidence."""
    evidence, chance = world(600, 0.1, size=3), random.Random(2)
    (top,) = [np.array([np.exp(each - each.max()) for each in evidence.cells[0].answers["test"].scores])]
    confidence, wrong = 1 / top.sum(axis=1), 1 - evidence.correct[0]
    areas = []
    for _ in range(2_000):
        drawn = [row for cluster in chance.choices(range(200), k=200) for row in range(3 * cluster, 3 * cluster + 3)]
        errors = wrong[sorted(drawn, key=lambda row: -confidence[row])]
        areas.append(100 * (np.cumsum(errors) / np.arange(1, 601)).mean())
    low, high = np.quantile(areas, [0.025, 0.975])
    found = measured("aurc", evidence)
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.1 * (high - low)), "three times the sampling"


# -- all ---------------------------------------------------------------------------------------------------


def test_scores_that_only_rank_have_no_calibration_but_an_order() -> None:
    ranks = replace(sure(0.9, 0.8), log={NOT_PROBABILITIES: "they are similarities"})
    evidence = asked([0, 1], sure(0.9, 0.8), ranks)
    for name in ("ece", "brier"):
        unknown(measured(name, evidence), "they are similarities")
    assert measured("aurc", evidence).value == pytest.approx(25)


@pytest.mark.parametrize("name", NAMES)
def test_a_group_value_is_measured_on_its_rows_alone(name: str) -> None:
    rows = [row("a", gender="f"), row("b", 1, gender="m"), row("c", gender="f")]
    evidence = made({"test": rows}, sure(1 - 1e-9, 0.7, 1 - 1e-9))
    assert measured(name, evidence.focus("test", ("gender", "f"))).value == pytest.approx(0, abs=1e-6)
    unknown(measured(name, evidence.focus("test", ("gender", "x"))), "no rows")


@pytest.mark.parametrize("name", NAMES)
def test_one_cluster_gives_no_interval(name: str) -> None:
    found = measured(name, asked([0, 1], sure(0.9, 0.8), clusters="aa"))
    assert found.value is not None
    assert np.isnan([found.low, found.high]).all()  # type: ignore[list-item]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_some_of_many_clusters_give_the_interval_of_all(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    evidence = world(4_000, 0.1, seeds=2)
    whole = measured(name, evidence)
    monkeypatch.setattr(stats, "MANY_CLUSTERS", 1_000)
    part = measured(name, evidence)
    assert part.value == whole.value
    assert (part.low, part.high) != (whole.low, whole.high)
    width = whole.high - whole.low  # type: ignore[operator]
    assert (part.low, part.high) == pytest.approx((whole.low, whole.high), abs=0.2 * width)


# -- curves ------------------------------------------------------------------------------------------------


def test_the_reliability_curve_is_of_the_bins() -> None:
    """Twenty are .6 sure and half of them right, twenty .9 sure and all right."""
    evidence = asked([0] * 10 + [1] * 10 + [0] * 20, sure(*[0.6] * 20, *[0.9] * 20))
    points = measured("ece", evidence).points
    assert points is not None
    np.testing.assert_allclose(points, [(60, 50, 20), (90, 100, 20)], rtol=1e-5)


def test_the_risk_coverage_curve_begins_with_the_surest() -> None:
    """Of four quarters, surest first, 0, 20, 40 and 60 % are wrong."""
    golds = [int(n % 10 < 2 * quarter) for quarter in range(4) for n in range(10)]
    evidence = asked(golds, sure(*(p for p in (0.9, 0.8, 0.7, 0.6) for _ in range(10))))
    points = measured("aurc", evidence).points
    assert points is not None
    assert [coverage for coverage, _ in points] == pytest.approx(list(range(5, 101, 5)))
    told = dict(points)
    assert [told[coverage] for coverage in (25.0, 50.0, 75.0, 100.0)] == pytest.approx([0, 10, 20, 30])
    few = measured("aurc", asked([0, 1, 0], sure(0.9, 0.8, 0.7))).points
    assert few is not None
    np.testing.assert_allclose(few, [(100 / 3, 0), (200 / 3, 50), (100, 100 / 3)])
