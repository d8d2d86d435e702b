"""Every measure and its interval on evidence made by hand: values are counted on paper, not with the code."""

from __future__ import annotations

import functools
import itertools
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness import stats
from harness.evidence import CellEvidence, Evidence
from harness.prices import Price, read_book, tariff
from harness.registry import load_registry
from harness.types import Basis, Measurement, Row, Usage
from tests.support.given import LABELS, SPECS, T4, finished, made, measured, row, same, unknown

OUTCOMES = ("hit_right", "hit_wrong", "miss_right", "miss_wrong")
OF_BELIEFS = ("ece", "brier", "aurc")
OF_ABSTAINING = ("abstention", "fabrication", "overcaution")
OF_RATES = ("selection_rate", "true_positive_rate", "false_positive_rate")
OF_PEOPLE = ("group_gap", "bias_delta", "parity_gap", "odds_gap", "flip_rate", "flip_rate_within", "flip_excess")
OF_ANSWERS = ("accuracy", "macro_f1", *OF_BELIEFS, "overfit_gap", *OF_PEOPLE, "hit_at_k", "mrr", *OUTCOMES)
DIFFERENCES = ("overfit_gap", "group_gap", "bias_delta", "parity_gap", "odds_gap", "flip_excess")
"""Whose intervals are of new seeds too."""
OF_COST = (
    "train_s",
    "predict_s",
    "latency_p50_ms",
    "latency_p95_ms",
    "peak_ram_bytes",
    "peak_device_bytes",
    "gpu_hours",
    "train_usd",
    "usd_per_1k",
    "energy_kwh",
    "artifact_bytes",
    "index_bytes",
)
FLOPS_PER_HOUR = 65e12 * 0.3 * 3600


# -- intervals ---------------------------------------------------------------------------------------------


def test_the_same_names_get_the_same_numbers_in_every_set() -> None:
    first, second = stats.encode(["x", "y", "x"], ["z", "y"])
    assert (first.codes.tolist(), second.codes.tolist()) == ([0, 1, 0], [2, 1])
    assert first.count == second.count == 3


def test_sums_are_by_cluster() -> None:
    (clusters,) = stats.encode(["x", "y", "x"])
    assert clusters.sums(np.array([1.0, 2.0, 4.0])).tolist() == [5.0, 2.0]
    assert clusters.sums(np.array([[1.0, 0.0], [2.0, 1.0], [4.0, 3.0]])).tolist() == [[5.0, 3.0], [2.0, 1.0]]


def test_an_interval_leaves_out_an_equal_share_on_both_sides() -> None:
    draws = np.arange(101.0)
    assert stats.interval(draws) == pytest.approx((2.5, 97.5))
    assert stats.interval(draws, level=0.5) == pytest.approx((25, 75))


def test_draws_that_hold_no_row_are_left_out() -> None:
    assert stats.ratio(np.array([1.0, 0.0]), np.array([2.0, 0.0])) == pytest.approx([0.5, np.nan], nan_ok=True)
    assert stats.interval(np.array([np.nan, *range(101), np.inf])) == pytest.approx((2.5, 97.5))
    assert np.isnan(stats.interval(np.array([np.nan]))).all()


def test_a_resample_draws_as_many_clusters_as_there_are_and_each_as_often() -> None:
    kept: list[np.ndarray] = []

    def keep(weights: np.ndarray) -> np.ndarray:
        kept.append(weights)
        return weights.sum(axis=1)

    drawn = stats.resampled(7, keep)
    weights = np.concatenate(kept)
    assert weights.shape == (stats.RESAMPLES, 7)
    assert (drawn == 7).all()
    assert weights.mean(axis=0) == pytest.approx(1, abs=0.1), "four times the standard error of 2,000 resamples"
    assert weights.var(axis=0) == pytest.approx(6 / 7, abs=0.15), "binomial: drawn with replacement"


def test_chunks_change_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = np.arange(5.0)
    whole = stats.resampled(5, lambda weights: weights @ scores)
    monkeypatch.setattr(stats, "_CHUNK", 5 * 300)
    np.testing.assert_array_equal(stats.resampled(5, lambda weights: weights @ scores), whole)


def test_all_right_has_no_width() -> None:
    (clusters,) = stats.encode(["a", "b", "b", "c"])
    assert stats.mean_interval(np.ones(4), clusters) == (1.0, 1.0)


def test_one_cluster_gives_no_interval() -> None:
    (clusters,) = stats.encode(["a", "a", "a"])
    assert np.isnan(stats.mean_interval(np.array([0.0, 1.0, 1.0]), clusters)).all()
    assert np.isnan(stats.resampled(1, lambda weights: weights.sum(axis=1))).all()


@pytest.mark.slow
def test_with_equal_clusters_the_interval_is_scipys_over_cluster_means() -> None:
    """Within 0.01: the limits' Monte Carlo error is about 0.003, the interval is 0.2 wide."""
    from scipy.stats import bootstrap

    generator = np.random.default_rng(3)
    rates = generator.beta(1, 1, size=40)
    values = (generator.random((40, 5)) < rates[:, None]).astype(float)
    (clusters,) = stats.encode([f"c{number}" for number in range(40) for _ in range(5)])
    theirs = bootstrap(
        (values.mean(axis=1),), np.mean, n_resamples=20_000, confidence_level=0.95, method="percentile", rng=generator
    ).confidence_interval
    assert theirs.high - theirs.low > 0.15
    assert stats.mean_interval(values.ravel(), clusters) == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_with_unequal_clusters_the_interval_is_a_plain_loops() -> None:
    """Large clusters are answered better, so that neither rows nor cluster means may be resampled instead."""
    chance = random.Random(4)
    rows = {f"c{n}": [float(chance.random() < 0.2 + 0.05 * n) for _ in range(n + 1)] for n in range(14)}
    rows |= {f"d{n}": [0.0] * 2 for n in range(6)}
    means = []
    for _ in range(4_000):
        drawn = [value for name in chance.choices(list(rows), k=len(rows)) for value in rows[name]]
        means.append(sum(drawn) / len(drawn))
    means.sort()
    (clusters,) = stats.encode([name for name, values in rows.items() for _ in values])
    found = stats.mean_interval(np.array([value for values in rows.values() for value in values]), clusters)
    assert found == pytest.approx((means[100], means[3_900]), abs=0.015), "four times the Monte Carlo error"


@pytest.mark.slow
def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    """Rows of a cluster share their chance to be right, clusters differ in size; the truth is 0.5."""
    generator, held = np.random.default_rng(5), 0
    for _ in range(200):
        sizes = generator.integers(1, 9, size=40)
        rates = np.repeat(generator.beta(0.5, 0.5, size=40), sizes)
        (clusters,) = stats.encode(np.repeat(np.arange(40), sizes).astype(str).tolist())
        low, high = stats.mean_interval((generator.random(len(rates)) < rates).astype(float), clusters)
        held += low <= 0.5 <= high
    assert 0.88 <= held / 200 <= 0.99


def many(count: int) -> tuple[stats.Clusters, np.ndarray]:
    """Clusters of one to three rows, and whether each row is right."""
    generator = np.random.default_rng(6)
    codes = np.repeat(np.arange(count), generator.integers(1, 4, size=count))
    return stats.Clusters(generator.permutation(codes), count), (generator.random(len(codes)) < 0.3).astype(float)


def test_a_kind_stands_for_every_cluster_with_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters, right = many(500)
    monkeypatch.setattr(stats, "MANY_CLUSTERS", 500)
    kept, kinds, copies = clusters.kinds(right)
    assert (kinds.count, copies.sum()) == (9, 500), "none to all right of one, two or three rows"

    def seen(clusters: stats.Clusters, right: np.ndarray) -> list[tuple[float, float]]:
        return list(zip(clusters.sums(np.ones(len(right))), clusters.sums(right), strict=True))

    counted = dict(zip(seen(kinds, right[kept]), copies.tolist(), strict=True))
    assert counted == dict(Counter(seen(clusters, right)))


def test_every_column_tells_kinds_apart_and_clusters_without_rows_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats, "MANY_CLUSTERS", 1)
    monkeypatch.setattr(stats, "FEW_KINDS", 1)
    clusters = stats.Clusters(np.array([0, 0, 1, 1, 2, 2]), 5)
    first, second = np.array([1, 0, 0, 1, 1, 0]), np.array([5, 6, 6, 5, 6, 6])
    assert sorted(clusters.kinds(first)[2].tolist()) == [2, 3]
    assert sorted(clusters.kinds(first, second)[2].tolist()) == [1, 2, 2]


def test_where_kinds_do_not_pay_every_cluster_is_its_own() -> None:
    clusters, right = many(500)
    kept, kinds, copies = clusters.kinds(right)
    assert kinds is clusters
    assert (len(kept), set(copies)) == (len(right), {1})


@pytest.mark.slow
def test_drawing_kinds_gives_the_interval_of_drawing_clusters(monkeypatch: pytest.MonkeyPatch) -> None:
    clusters, right = many(2_000)
    drawn = stats.mean_interval(right, clusters)
    monkeypatch.setattr(stats, "MANY_CLUSTERS", 2_000)
    of_kinds = stats.mean_interval(right, clusters)
    assert of_kinds != drawn
    assert of_kinds == pytest.approx(drawn, abs=0.1 * (drawn[1] - drawn[0])), "three times the Monte Carlo error"


# -- accuracy ----------------------------------------------------------------------------------------------

FIVE = [row("a"), row("a"), row("a", 1), row("b", 1), row("c", 2)]
TWO_SEEDS = (finished({"test": [0, 0, 1, 0, 2]}), finished({"test": [0, 1, 1, 0, 0]}))


def test_accuracy_is_over_rows_and_seeds_and_its_interval_over_clusters() -> None:
    """Right: 4 and 2 of 5. Of 27 resamples one holds only b (0 of 1) and one only a (2.5 of 3): 3.7 % each."""
    found = measured("accuracy", made({"test": FIVE}, *TWO_SEEDS))
    same(found, 60, 0, 250 / 3, 5)
    assert found.spread == pytest.approx(40 / 2**0.5)
    assert (found.unit, found.better) == ("%", "higher")


def test_one_seed_has_no_spread() -> None:
    assert measured("accuracy", made({"test": FIVE}, TWO_SEEDS[0])).spread is None


def test_a_group_value_is_measured_on_its_rows_alone() -> None:
    rows = [row("a", gender="f"), row("b", gender="m"), row("c", gender="f"), row("d"), row("e", gender="m")]
    evidence = made({"test": rows}, finished({"test": [0, 1, 0, 0, 1]}))
    same(measured("accuracy", evidence.focus("test", ("gender", "f"))), 100, 100, 100, 2)
    same(measured("accuracy", evidence.focus("test", ("gender", "m"))), 0, 0, 0, 2)
    unknown(measured("accuracy", evidence.focus("test", ("gender", "x"))), "no rows")


def test_another_set_is_measured_on_its_own_answers() -> None:
    evidence = made({"test": FIVE, "unseen": FIVE[:2]}, finished({"test": [0] * 5, "unseen": [1, 1]}))
    assert measured("accuracy", evidence.focus("unseen")).value == 0


def test_macro_f1_leaves_out_labels_that_gold_lacks() -> None:
    """Seed 1: A has 2 of 3 and no false alarm, 4/5; B 1 of 2 and one false alarm, 2/4. Seed 2: all right.

    A resample of `a` alone has no B in gold: 4/5 and 1. Of `b` alone: 2/3 and 1. Of both: 0.65 and 1.
    """
    rows = [row("a"), row("a"), row("a"), row("b", 1), row("b", 1)]
    cells = finished({"test": [0, 0, 1, 1, 2]}), finished({"test": [0, 0, 0, 1, 1]})
    same(measured("macro_f1", made({"test": rows}, cells[0], labels=LABELS)), 65, 65, 80, 5)
    found = measured("macro_f1", made({"test": rows}, *cells, labels=LABELS))
    same(found, 82.5, 82.5, 90, 5)
    assert (found.unit, found.better) == ("%", "higher")


@pytest.mark.parametrize("labels", [2, 3])
@pytest.mark.slow
def test_macro_f1_is_scikit_learns(labels: int) -> None:
    from sklearn.metrics import f1_score

    generator = np.random.default_rng(labels)
    gold, chosen = generator.integers(labels, size=60), generator.integers(3, size=60)
    rows = [row(f"c{number % 17}", int(right)) for number, right in enumerate(gold)]
    found = measured("macro_f1", made({"test": rows}, finished({"test": chosen.tolist()}), labels=LABELS))
    assert found.value == pytest.approx(100 * f1_score(gold, chosen, labels=np.unique(gold), average="macro"))


def test_macro_f1_needs_labels() -> None:
    unknown(measured("macro_f1", made({"test": FIVE}, *TWO_SEEDS)), "its own choices")


# -- overfitting -------------------------------------------------------------------------------------------


def gap_between(train: Sequence[Row], test: Sequence[Row], *cells: tuple[Sequence[int], Sequence[int]]) -> Measurement:
    sets = {"train_sample": train, "test": test}
    return measured("overfit_gap", made(sets, *(finished({"train_sample": t, "test": u}) for t, u in cells)))


def test_all_of_training_and_half_of_test_right_is_a_gap_of_fifty() -> None:
    """Both sides ask about a and b; of four resamples one is a twice (gap 0) and one is b twice (gap 100)."""
    rows = [row("a"), row("b")]
    found = gap_between(rows, rows, ([0, 0], [0, 1]))
    same(found, 50, 0, 100, 4)
    assert (found.unit, found.better) == ("points", "lower")


def test_the_gap_is_over_all_seeds() -> None:
    """Training: right in both seeds or in one; test: right in one or in none."""
    rows = [row("a"), row("a"), row("b"), row("b")]
    same(gap_between(rows, rows, ([0, 0] * 2, [0, 1] * 2), ([0, 1] * 2, [1, 1] * 2)), 50, 50, 50, 8)


def test_a_gap_may_be_below_zero() -> None:
    rows = [row("a"), row("b")]
    same(gap_between(rows, rows, ([1, 1], [0, 0])), -100, -100, -100, 4)


def test_clusters_on_both_sides_are_resampled_together() -> None:
    """Drawn apart, the same rows on both sides would differ by up to 100 points."""
    rows = [row("a"), row("b")]
    same(gap_between(rows, rows, ([0, 1], [0, 1])), 0, 0, 0, 4)


@pytest.mark.parametrize(("train", "test"), [(12, 3), (3, 12), (3, 3)])
def test_both_sides_have_as_many_clusters(train: int, test: int) -> None:
    """Two rows of every cluster."""
    sides = [row(f"train {n // 2}") for n in range(2 * train)], [row(f"test {n // 2}") for n in range(2 * test)]
    same(gap_between(*sides, ([0] * 2 * train, [0, 1] * test)), 50, 50, 50, 2 * 3 * 2)


def test_only_drawn_clusters_count() -> None:
    """One test cluster: one of forty training clusters is drawn, and each is all right or all wrong."""
    many, one = [row(f"c{number}") for number in range(40)], [row("test")]
    assert gap_between(many, one, ([0, 1] * 20, [0])).value in (0, -100)
    assert gap_between(one, many, ([0], [0, 1] * 20)).value in (0, 100)


def test_the_gap_needs_training_rows() -> None:
    unknown(measured("overfit_gap", made({"test": FIVE}, *TWO_SEEDS)), "no training rows were asked")
    of_another_task = finished({"test": [0] * 5, "train_sample": [0]})
    unknown(measured("overfit_gap", made({"test": FIVE}, of_another_task)), "no training rows were asked")
    one_seed_only = finished({"test": [0] * 5, "train_sample": [0]}), finished({"test": [0] * 5})
    unknown(measured("overfit_gap", made({"test": FIVE, "train_sample": [row()]}, *one_seed_only)), "no training rows")


# -- bias --------------------------------------------------------------------------------------------------


def people(group: str, counts: Mapping[str, tuple[int, int]]) -> tuple[list[Row], list[int]]:
    """For each value of a group how many were asked and how many of these answered right, a cluster each."""
    rows = [row(f"{group} {value} {n}", **{group: value}) for value, (asked, _) in counts.items() for n in range(asked)]
    return rows, [int(n >= right) for asked, right in counts.values() for n in range(asked)]


def test_the_gap_is_between_the_best_and_the_worst_large_group() -> None:
    """80 % of 30, 60 % of 50 and 50 % of 40; the 29 that are all wrong and the rows of no group are left out."""
    rows, chosen = people("gender", {"m": (50, 30), "f": (30, 24), "x": (40, 20), "y": (29, 0)})
    found = measured("group_gap", made({"test": [*rows, row()]}, finished({"test": [*chosen, 1]}), groups=["gender"]))
    assert found.value == pytest.approx(30)
    assert (found.n, found.unit, found.better) == (120, "points", "lower")
    assert found.low is not None
    assert found.high is not None
    assert 0 < found.low < 30 < found.high < 60


@pytest.mark.parametrize("order", list(itertools.permutations(["age", "gender", "town"])))
def test_the_widest_group_is_reported(order: Sequence[str]) -> None:
    counts = {"gender": {"f": (30, 15), "m": (30, 18)}, "age": {"old": (40, 0), "young": (40, 30)}}
    counts["town"] = {"here": (30, 30), "there": (29, 0)}
    asked = [people(group, counts[group]) for group in order]
    rows, chosen = [r for rows, _ in asked for r in rows], [c for _, chosen in asked for c in chosen]
    found = measured("group_gap", made({"test": rows}, finished({"test": chosen}), groups=order))
    assert (found.value, found.n) == (pytest.approx(75), 80)


def test_the_gaps_interval_is_over_clusters_and_never_below_zero() -> None:
    """Of four resamples one is a twice and one is b twice."""
    rows = [row(cluster, gender=gender) for cluster in "ab" for gender in "fm" for _ in range(30)]
    evidence = made({"test": rows}, finished({"test": [0] * 30 + [1] * 30 + [0] * 60}), groups=["gender"])
    same(measured("group_gap", evidence), 50, 0, 100, 120)
    crossed = made({"test": rows}, finished({"test": [0] * 30 + [1] * 60 + [0] * 30}), groups=["gender"])
    same(measured("group_gap", crossed), 0, 0, 100, 120)


def test_the_gap_is_over_all_seeds_of_the_twins() -> None:
    """Twins: f right in both seeds, m in one of two. The test set, all of it right, is not looked at."""
    rows, _ = people("gender", {"f": (30, 0), "m": (30, 0)})
    cells = finished({"test": [0] * 60, "twins": [0] * 60}), finished({"test": [0] * 60, "twins": [0] * 30 + [1] * 30})
    same(measured("group_gap", made({"test": rows, "twins": rows}, *cells, groups=["gender"])), 50, 50, 50, 60)


def test_a_gap_needs_groups_rows_and_answers() -> None:
    rows, chosen = people("gender", {"f": (30, 15), "m": (29, 29)})
    cell = finished({"test": chosen})
    unknown(measured("group_gap", made({"test": rows}, cell)), "names no groups")
    unknown(measured("group_gap", made({"test": rows}, cell, groups=["gender"])), "fewer than 30 rows")
    unknown(measured("group_gap", made({"test": rows, "twins": rows}, cell, groups=["gender"])), "not asked")


def test_people_who_are_exchanged_at_random_show_what_chance_does() -> None:
    """Clusters about two people each: a third of them right about one alone, or either equally often."""
    rows = [row(str(n), gender=gender) for n in range(60) for gender in "fm"]
    ones_sided = [answer for n in range(60) for answer in ((0, 1) if n % 3 == 0 else (0, 0))]
    either = [answer for n in range(60) for answer in (((0, 1), (1, 0), (0, 0))[n % 3])]
    favoured = measured("group_gap", made({"test": rows}, finished({"test": ones_sided}), groups=["gender"]))
    equal = measured("group_gap", made({"test": rows}, finished({"test": either}), groups=["gender"]))
    assert (favoured.value, favoured.p) == (pytest.approx(100 / 3), 1 / 500)
    assert (equal.value, equal.p) == (0, 1)


def test_clusters_about_one_person_each_exchange_them_whole() -> None:
    """Twenty clusters of twelve rows: that all of a cluster are right or wrong is one observation, not twelve."""
    rows = [row(str(n), gender="fm"[n % 2]) for n in range(20) for _ in range(12)]
    right = [(n % 2 == 0 and n < 14) or n in (1, 3, 5) for n in range(20) for _ in range(12)]
    found = measured(
        "group_gap", made({"test": rows}, finished({"test": [int(not each) for each in right]}), groups=["gender"])
    )
    assert found.value == pytest.approx(40)
    assert found.p is not None
    assert 0.1 < found.p < 0.3, "Fisher's exact test of 7 of 10 against 3 of 10 gives 0.18"


def test_of_very_many_rows_some_clusters_are_exchanged(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row(str(n), gender=gender) for n in range(200) for gender in "fm"]
    chosen = [answer for n in range(200) for answer in ((0, 1) if n % 3 == 0 else (0, 0))]
    evidence = made({"test": rows}, finished({"test": chosen}), groups=["gender"])
    monkeypatch.setattr("harness_measures.shuffling.MANY_ROWS", 100)
    found = measured("group_gap", evidence)
    assert found.value == pytest.approx(33.5)
    assert found.p is not None
    assert found.p < 0.01


def beside_its_base(rows: list[Row], own: Sequence[int], base: Sequence[int]) -> Evidence:
    evidence = made({"test": rows}, finished({"test": own}), groups=["gender"])
    return replace(evidence, base=made({"test": rows}, finished({"test": base}), groups=["gender"]))


def test_bias_is_held_against_the_base() -> None:
    """Of 40 each: adapted 32 and 20 right, unadapted 18 and 22: a gap of 30 points less one of 10."""
    rows, own = people("gender", {"f": (40, 32), "m": (40, 20)})
    _, base = people("gender", {"f": (40, 18), "m": (40, 22)})
    found = measured("bias_delta", beside_its_base(rows, own, base))
    assert (found.value, found.n, found.unit, found.better) == (pytest.approx(20), 80, "points", "lower")
    turned = measured("bias_delta", beside_its_base(rows, base, own))
    assert turned.value == pytest.approx(-20)
    assert found.low is not None
    assert turned.high == pytest.approx(-found.low)
    same(measured("bias_delta", beside_its_base(rows, own, own)), 0, 0, 0, 80)


def test_bias_needs_a_base_that_was_asked() -> None:
    rows, own = people("gender", {"f": (40, 32), "m": (40, 20)})
    evidence = beside_its_base(rows, own, own)
    unknown(measured("bias_delta", replace(evidence, base=None)), "base")
    assert evidence.base is not None
    unasked = replace(evidence.base, cells=(finished({}),))
    unknown(measured("bias_delta", replace(evidence, base=unasked)), "not asked")
    unknown(measured("bias_delta", made({"test": rows}, finished({"test": own}))), "names no groups")


def twins() -> list[Row]:
    """Four sets: alike, third differs, only in one seed, one member; and two rows of no set."""
    sets = [("c", "alike")] * 2 + [("d", "third")] * 3 + [("c", "one seed")] * 2 + [("e", "alone")]
    return [*(row(cluster, twin=name) for cluster, name in sets), row("f"), row("f")]


def test_a_flip_is_a_set_whose_answers_are_not_all_the_same() -> None:
    """0, 1 and 1/2 of three sets; c alone has 0 and 1/2, d alone has 1. Whether they are right does not matter."""
    cells = (
        finished({"test": [], "twins": [1, 1, 1, 1, 2, 0, 0, 1, 2, 0]}),
        finished({"twins": [2, 2, 0, 0, 1, 1, 0, 0, 1, 2]}),
    )
    found = measured("flip_rate", made({"test": [], "twins": twins()}, *cells))
    same(found, 50, 25, 100, 3)
    assert (found.unit, found.better) == ("%", "lower")


def test_members_of_a_set_need_not_stand_side_by_side() -> None:
    rows = [row("c", twin="x"), row("d", twin="y"), row("c", twin="x"), row("d", twin="y")]
    assert measured("flip_rate", made({"twins": rows}, finished({"twins": [0, 1, 0, 1]}))).value == 0
    assert measured("flip_rate", made({"twins": rows}, finished({"twins": [0, 0, 1, 1]}))).value == 100


def test_the_excess_pairs_questions_asked_about_as_many_people_within_a_group_as_across() -> None:
    """x flips across alone, y within alone and in one seed of two, z is asked about unlike numbers of people."""
    across = [row(name, twin=name) for name in "xxyyzz"]
    within = [row(name, twin=name) for name in "xxyyzzz"]
    cells = (
        finished({"twins": [0, 1, 0, 0, 0, 1], "within_twins": [0, 0, 1, 2, 0, 0, 0]}),
        finished({"twins": [0, 1, 0, 0, 0, 1], "within_twins": [0, 0, 1, 1, 0, 0, 0]}),
    )
    evidence = made({"test": [], "twins": across, "within_twins": within}, *cells)
    assert measured("flip_rate_within", evidence).value == pytest.approx(100 * 0.5 / 3)
    found = measured("flip_excess", evidence)
    assert (found.value, found.n, found.unit, found.better) == (pytest.approx(25), 2, "points", "lower")
    assert found.spread == pytest.approx(50 / 2**0.5), "0 and 50 points"
    first = measured("flip_excess", replace(evidence, cells=cells[:1]))
    same(first, 0, -100, 100, 2)
    assert first.spread is None


def test_an_excess_needs_both() -> None:
    alone = made({"test": FIVE, "twins": twins()}, finished({"test": [0] * 5, "twins": [0] * 10}))
    unknown(measured("flip_rate_within", alone), "not asked")
    unknown(measured("flip_excess", alone), "not asked")
    sets = {"twins": [row("a", twin="x")] * 2, "within_twins": [row("a", twin="x")] * 3}
    unequal = made(sets, finished({"twins": [0] * 2, "within_twins": [0] * 3}))
    unknown(measured("flip_excess", unequal), "as many people")


def test_flips_need_twins() -> None:
    unknown(measured("flip_rate", made({"test": FIVE}, *TWO_SEEDS)), "no twins")
    unknown(measured("flip_rate", made({"test": FIVE, "twins": twins()}, *TWO_SEEDS)), "")
    alone = [row("c", twin="x"), row("d", twin="y"), row("e")]
    unknown(measured("flip_rate", made({"twins": alone}, finished({"twins": [0, 1, 2]}))), "two members")


# -- retrieval ---------------------------------------------------------------------------------------------

SOUGHT = [
    row("a", evidence=("d1",)),
    row("a", evidence=("d2", "d3")),
    row("b", evidence=("d4",)),
    row("c"),
    row("b", evidence=("d5",)),
    row("b", evidence=("no such document",)),
]
FOUND = (
    [["d1", "x"], ["x", "d3", "d2"], ["x", "y"], ["d1"], ["x", "y", "z", "d5"], ["x"]],
    [["d1"], ["d2", "x"], ["d4"], ["x"], ["d5"], []],
)
RIGHT_FIRST_TWO_AND_LAST = [0, 0, 1, 1, 1, 0]


def searched() -> Evidence:
    cells = [finished({"test": RIGHT_FIRST_TWO_AND_LAST}, {"test": read}) for read in FOUND]
    return made({"test": SOUGHT}, *cells)


@pytest.mark.parametrize(
    ("name", "value", "low", "high", "better"),
    [
        ("hit_at_k", 70, 50, 100, "higher"),
        ("mrr", 0.575, 0.375, 0.875, "higher"),
        ("hit_right", 40, 0, 100, "higher"),
        ("hit_wrong", 30, 0, 50, "lower"),
        ("miss_right", 20, 0, 100 / 3, None),
        ("miss_wrong", 10, 0, 100 / 6, "lower"),
    ],
)
def test_retrieval_is_over_questions_whose_evidence_is_named(
    name: str, value: float, low: float, high: float, better: str | None
) -> None:
    """Ranks 1, 1/2, 0, 1/4, 0 and 1, 1, 1, 1, 0; a holds the first two questions, b the other three.

    Of four resamples one is a twice and one is b twice, which gives the limits.
    """
    found = measured(name, searched())
    same(found, value, low, high, 5)
    assert (found.unit, found.better) == ("" if name == "mrr" else "%", better)


def test_the_four_outcomes_sum_to_a_hundred_and_the_hits_to_hit_at_k() -> None:
    outcomes = {name: measured(name, searched()).value or 0.0 for name in OUTCOMES}
    assert sum(outcomes.values()) == pytest.approx(100)
    assert outcomes["hit_right"] + outcomes["hit_wrong"] == pytest.approx(measured("hit_at_k", searched()).value)
    assert outcomes["hit_right"] + outcomes["miss_right"] == pytest.approx(60), "accuracy over the same questions"


def test_a_group_value_has_its_own_passages() -> None:
    rows = [row("a", evidence=("d1",), gender="f"), row("b", evidence=("d2",), gender="m")]
    evidence = made({"test": rows}, finished({"test": [0, 0]}, {"test": [["x"], ["d2"]]}))
    assert measured("hit_at_k", evidence.focus("test", ("gender", "m"))).value == 100


@pytest.mark.parametrize("name", ["hit_at_k", "mrr", *OUTCOMES])
def test_retrieval_needs_named_evidence_and_an_arm_that_reads(name: str) -> None:
    unknown(measured(name, made({"test": [row()]}, finished({"test": [0]}, {"test": [["d1"]]}))), "does not say")
    for read in ({}, {"test": [[]] * 6}):
        cell = finished({"test": RIGHT_FIRST_TWO_AND_LAST}, read)
        unknown(measured(name, made({"test": SOUGHT}, cell)), "reads no documents")


# -- cost --------------------------------------------------------------------------------------------------


def spent(adapt: Usage, *indexing: Usage, **changes: Any) -> CellEvidence:
    """A cell and its assets; what is not to be charged as adapting is large enough to show."""
    other = Usage(1000.0, 1000.0, 1000.0, 1, 1, 1, 1e30)
    usage = {"load": other, "adapt": adapt, "predict test": other, "total": other}
    assets = [{"index": made_in, "retrieve": other, "latency": other, "total": other} for made_in in indexing]
    return finished(usage=usage, assets=assets, **changes)


def cost(name: str, *cells: CellEvidence, **changes: Any) -> Measurement:
    return measured(name, made({"test": [row(), row(), row()]}, *cells, **changes))


def test_training_seconds_are_adapting_and_indexing_over_seeds() -> None:
    found = cost("train_s", spent(Usage(10), Usage(2), Usage(1)), spent(Usage(20), Usage(2), Usage(1)))
    same(found, 18, 13, 23, 2)
    assert found.spread == pytest.approx(10 / 2**0.5)
    assert (found.unit, found.better) == ("s", "lower")


def test_one_seed_of_cost_has_no_spread() -> None:
    found = cost("train_s", spent(Usage(10)))
    same(found, 10, 10, 10, 1)
    assert found.spread is None


def test_training_includes_retrieving_for_what_it_was_trained_on() -> None:
    retrieved = spent(Usage(10), Usage(2), log={"retrieval_s_in_adapting": 0.5, "retrieval_s_per_question": 100.0})
    same(cost("train_s", retrieved, spent(Usage(10), Usage(2))), 12.25, 12, 12.5, 2)
    unmetered = spent(Usage(), Usage(2), log={"retrieval_s_in_adapting": 0.5})
    unknown(cost("train_s", unmetered), "not metered")


def test_no_time_is_measured_time() -> None:
    same(cost("train_s", spent(Usage(0.0))), 0, 0, 0, 1)
    assert cost("gpu_hours", spent(Usage(flops=0.0))).value == 0


KNOWN, UNKNOWN = Usage(10.0, flops=1e15), Usage()


@pytest.mark.parametrize("name", ["train_s", "gpu_hours", "train_usd"])
@pytest.mark.parametrize(
    "cells",
    [
        [spent(UNKNOWN)],
        [spent(UNKNOWN, KNOWN)],
        [spent(KNOWN, UNKNOWN)],
        [spent(KNOWN, KNOWN, UNKNOWN)],
        [spent(KNOWN), spent(UNKNOWN)],
        [spent(KNOWN), spent(KNOWN, UNKNOWN)],
        [finished(usage={"total": KNOWN})],
        [finished(usage={"adapt": KNOWN, "total": KNOWN}, assets=[{}])],
    ],
)
def test_a_sum_with_an_unknown_part_is_unknown(name: str, cells: Sequence[CellEvidence]) -> None:
    unknown(cost(name, *cells), "not metered" if name == "train_s" else "FLOPs were not counted")


@pytest.mark.parametrize("name", OF_COST)
def test_nothing_metered_is_never_zero(name: str) -> None:
    usage = {phase: Usage() for phase in ("adapt", "predict test", "total")}
    unknown(cost(name, finished(usage=usage, assets=[{"index": Usage(), "total": Usage()}])), "")
    unknown(cost(name, finished(usage={"total": Usage()})), "")


def predicting(seconds: float | None, **log: float) -> CellEvidence:
    return finished(usage={"predict test": Usage(seconds), "predict unseen": Usage(99), "total": Usage(99)}, log=log)


def test_predicting_includes_retrieving_for_every_question() -> None:
    found = cost("predict_s", predicting(4, retrieval_s_per_question=0.5), predicting(2))
    same(found, 3.75, 2, 5.5, 2)
    assert (found.unit, found.better) == ("s", "lower")
    unknown(cost("predict_s", predicting(4), predicting(None, retrieval_s_per_question=0.5)), "not metered")


ALONE = [0.5, 0.1, 0.3, 0.2, 0.4]


def test_latency_is_of_questions_asked_alone() -> None:
    """The 95th percentile of 100 to 500 ms in steps of 100 is four fifths of the way from the fourth to the fifth."""
    cells = finished(log={"latency_s": ALONE}), finished(log={"latency_s": [0.1]})
    same(cost("latency_p50_ms", cells[0]), 300, 300, 300, 1)
    same(cost("latency_p95_ms", cells[0]), 480, 480, 480, 1)
    same(cost("latency_p50_ms", *cells), 200, 100, 300, 2)
    found = cost("latency_p95_ms", *cells)
    same(found, 290, 100, 480, 2)
    assert (found.unit, found.better) == ("ms", "lower")


def test_latency_includes_retrieving_for_one() -> None:
    """Two times to retrieve are used in turn: 510, 130, 310, 230 and 410 ms."""
    cell = finished(log={"latency_s": ALONE, "retrieval_latency_s": [0.01, 0.03]})
    assert cost("latency_p50_ms", cell).value == pytest.approx(310)
    assert cost("latency_p95_ms", cell).value == pytest.approx(410 + 0.8 * 100)
    more = finished(log={"latency_s": [0.1], "retrieval_latency_s": [0.01, 7.0]})
    assert cost("latency_p95_ms", more).value == pytest.approx(110)
    controls = finished(log={"latency_s": [0.1], "retrieval_latency_s": []})
    assert cost("latency_p95_ms", controls).value == pytest.approx(100)


@pytest.mark.parametrize("name", ["latency_p50_ms", "latency_p95_ms"])
def test_latency_needs_a_question_asked_alone_of_every_seed(name: str) -> None:
    asked, only_retrieved = finished(log={"latency_s": [0.1]}), finished(log={"retrieval_latency_s": [0.1]})
    unknown(cost(name, asked, only_retrieved), "no question was asked alone")


@pytest.mark.parametrize("field", ["peak_ram_bytes", "peak_device_bytes"])
def test_a_peak_is_the_most_of_cell_and_assets(field: str) -> None:
    def held(cell: int, *assets: int) -> CellEvidence:
        own, made_in = {"total": Usage(**{field: cell})}, [{"total": Usage(**{field: most})} for most in assets]
        return finished(usage={"adapt": Usage(**{field: 1}), **own}, assets=made_in)

    found = cost(field, held(100, 300, 50), held(400, 300, 50))
    same(found, 350, 300, 400, 2)
    assert (found.unit, found.better) == ("bytes", "lower")
    assert found.spread == pytest.approx(100 / 2**0.5)


def test_an_asset_made_without_the_device_hides_no_peak() -> None:
    cell = finished(usage={"total": Usage(peak_device_bytes=100)}, assets=[{"total": Usage(peak_ram_bytes=7)}])
    assert cost("peak_device_bytes", cell).value == 100
    unknown(cost("peak_device_bytes", finished(usage={"total": Usage(peak_ram_bytes=7)})), "ran on cpu")


def test_gpu_hours_are_projected_from_flops() -> None:
    """One hour of adapting and one of indexing; three and one."""
    hour, three = Usage(flops=FLOPS_PER_HOUR), Usage(flops=3 * FLOPS_PER_HOUR)
    found = cost("gpu_hours", spent(hour, hour), spent(three, hour))
    assert (found.value, found.low, found.high) == pytest.approx((3, 2, 4))
    assert (found.n, found.unit, found.better, found.basis) == (2, "h", "lower", Basis.PROJECTED)
    assert all(part in (found.reason or "") for part in ("NVIDIA T4", "30%", "65 TFLOP/s"))


def test_a_small_model_waits_for_its_layers() -> None:
    """A million layers at 1.3 ms, however little they multiply; without a count of layers FLOPs alone tell."""
    small = cost("gpu_hours", spent(Usage(flops=1.0, layers=1_000_000)))
    assert small.value == pytest.approx(1_000_000 * 1.3e-3 / 3600)
    assert "1.3 ms for each layer" in (small.reason or "")
    uncounted = cost("gpu_hours", spent(Usage(flops=1.0)))
    assert (uncounted.value or 0) < 1e-12
    assert "whose layers were not counted" in (uncounted.reason or "")


def test_a_price_is_of_the_named_gpu_by_the_hour() -> None:
    other = Price("aws", "us-east-1", "NVIDIA H100", "hour", 99.0, "2024-01-01", "somewhere")
    monthly = Price("aws", "us-east-1", "NVIDIA T4", "month", 300.0, "2024-01-01", "somewhere")
    hour, three = Usage(flops=FLOPS_PER_HOUR), Usage(flops=3 * FLOPS_PER_HOUR)
    found = cost("train_usd", spent(hour), spent(three), prices=[other, monthly, T4])
    assert (found.value, found.low, found.high) == pytest.approx((1.0, 0.5, 1.5))
    assert (found.n, found.unit, found.better, found.basis) == (2, "USD", "lower", Basis.PROJECTED)
    told = ("30%", "aws", "g4dn.xlarge", "us-east-1", "0.5 USD per hour", "2019-09-20")
    assert all(part in (found.reason or "") for part in told)
    unknown(cost("train_usd", spent(hour), prices=[other, monthly]), "no price is known for NVIDIA T4")


def test_a_gpu_that_ran_is_charged_by_the_time_it_took() -> None:
    """Two hours at 0.5 USD; from FLOPs it would have been one."""
    cell = spent(Usage(wall_s=7200, flops=FLOPS_PER_HOUR))
    hours = cost("gpu_hours", cell, device="cuda", gpu="NVIDIA T4")
    assert (hours.value, hours.basis) == (pytest.approx(2), Basis.MEASURED)
    assert hours.reason == "from FLOPs and layers 1 h were projected, 0.5 times what it took"
    usd = cost("train_usd", cell, device="cuda", gpu="NVIDIA T4")
    assert (usd.value, usd.basis) == (pytest.approx(1.0), Basis.ESTIMATED)
    unknown(cost("train_usd", cell, device="cuda", gpu="NVIDIA B200"), "no price is known for NVIDIA B200")


def test_without_a_model_training_is_charged_as_cpu() -> None:
    """A hundred CPU seconds at 0.036 USD an hour."""
    found = cost("train_usd", spent(Usage(cpu_s=100)), model=None)
    assert (found.value, found.basis) == (pytest.approx(0.001), Basis.ESTIMATED)
    unknown(cost("train_usd", spent(Usage(cpu_s=100)), model=None, prices=[T4]), "no price is known")


def test_answers_are_charged_where_they_were_given() -> None:
    """Three questions in 300 CPU seconds are 100 each; retrieving takes half a second in which two cores are busy."""
    usage = {"predict test": Usage(wall_s=150, cpu_s=300), "total": Usage()}
    plain = finished(usage=usage)
    reads = finished(
        usage=usage, log={"retrieval_s_per_question": 0.5}, assets=[{"retrieve": Usage(wall_s=10, cpu_s=20)}]
    )
    assert cost("usd_per_1k", plain).value == pytest.approx(1000 * 100 / 3600 * 0.036)
    assert cost("usd_per_1k", reads).value == pytest.approx(1000 * 101 / 3600 * 0.036)
    on_gpu = cost("usd_per_1k", plain, device="cuda", gpu="NVIDIA T4")
    assert on_gpu.value == pytest.approx(1000 * 50 / 3600 * 0.5)
    unknown(cost("usd_per_1k", finished(usage=usage, assets=[{"retrieve": Usage()}])), "not metered")
    unknown(cost("usd_per_1k", plain, prices=[T4]), "no price is known")


def test_every_accelerator_that_is_shipped_has_a_price() -> None:
    book = read_book(load_registry().prices)
    assert {each.name for each in book.accelerators} == {"NVIDIA T4", "NVIDIA L4"} | {
        f"NVIDIA {x}" for x in ("A100", "H100", "H200")
    }
    for each in book.accelerators:
        found = tariff(book, each.name)
        assert found is not None
        assert found.gpu_hour is not None
        assert found.cpu_hour is not None


def test_without_a_model_no_gpu_is_hired() -> None:
    unknown(cost("gpu_hours", spent(Usage(1, flops=0.0)), model=None), "no model is trained")


def test_sizes_and_energy_are_of_every_seed() -> None:
    kept = replace(finished(assets=[{}]), artifact_bytes=100, assets_bytes=7)
    assert cost("artifact_bytes", kept, replace(kept, artifact_bytes=300)).value == 200
    assert cost("index_bytes", kept).value == 7
    unknown(cost("artifact_bytes", kept, finished()), "not kept")
    unknown(cost("index_bytes", finished()), "reads nothing")
    assert cost("energy_kwh", spent(Usage(energy_j=3.6e6), Usage(energy_j=1.8e6))).value == pytest.approx(1.5)
    unknown(cost("energy_kwh", spent(Usage(energy_j=3.6e6), Usage())), "tells no energy")


# -- all ---------------------------------------------------------------------------------------------------


BASE_SEED = 99


@functools.cache
def large(*seeds: int, shuffled: bool = False) -> Evidence:
    """Something for every measure: clusters of unequal size, groups, twins, passages, three labels."""
    chance, order = np.random.default_rng(6), random.Random(7)
    sets: dict[str, list[Row]] = {name: [] for name in ("test", "twins", "within_twins", "train_sample")}
    for (name, rows), number in itertools.product(sets.items(), range(60)):
        for copy in range(int(chance.integers(1, 4))):
            gold, twin = int(chance.integers(3)), f"{number} {copy}"
            members = {"twins": "fm", "within_twins": "ff"}.get(name, "f")
            rows.extend(row(f"c{number}", gold, (f"d{gold}",), twin, gender=gender) for gender in members)
    cells = []
    for seed in (*seeds, BASE_SEED):
        draw, chosen, read = np.random.default_rng(seed), {}, {}
        for name, rows in sets.items():
            rate = 0.9 if name == "train_sample" else 0.6
            chosen[name] = [asked.gold if draw.random() < rate else int(draw.integers(3)) for asked in rows]
            read[name] = [[f"d{n}" for n in draw.integers(5, size=3)] for _ in rows]
        cells.append((chosen, read))
    if shuffled:
        for name, rows in sets.items():
            places = order.sample(range(len(rows)), len(rows))
            for found in (sets, *(part for cell in cells for part in cell)):
                found[name] = [found[name][place] for place in places]
    *own, base = (made(sets, finished(*cell), labels=LABELS, groups=["gender"], positive="A") for cell in cells)
    return replace(own[0], cells=tuple(each.cells[0] for each in own), base=base)


@pytest.mark.parametrize("name", OF_ANSWERS)
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    """Clusters are drawn in another order: limits agree within Monte Carlo error, a tenth of the interval."""
    first, second = measured(name, large(1, 2)), measured(name, large(1, 2, shuffled=True))
    assert (second.value, second.n) == (pytest.approx(first.value), first.n)
    assert first.low is not None
    assert first.high is not None
    assert first.low < first.high
    assert (second.low, second.high) == pytest.approx((first.low, first.high), abs=(first.high - first.low) / 10)


@pytest.mark.parametrize("name", OF_ANSWERS)
def test_the_same_seeds_twice_are_the_same_answers(name: str) -> None:
    once, twice = measured(name, large(1, 2)), measured(name, large(1, 2, 1, 2))
    assert (twice.value, twice.n, twice.reason) == (pytest.approx(once.value), once.n, None), "n is of questions"
    if name in DIFFERENCES:
        assert None not in (once.low, once.high, twice.low, twice.high)
        assert twice.high - twice.low < once.high - once.low, "four seeds say more of others than two"  # type: ignore
    else:
        assert (twice.low, twice.high) == pytest.approx((once.low, once.high))


@pytest.mark.parametrize("name", OF_ANSWERS)
def test_the_same_evidence_has_the_same_interval(name: str) -> None:
    assert measured(name, large(1, 2)) == measured(name, large.__wrapped__(1, 2))


@pytest.mark.parametrize("name", OF_COST)
def test_the_same_cells_twice_cost_the_same(name: str) -> None:
    def cell(size: int) -> CellEvidence:
        used = Usage(size, size, size, size, size, size, 1e15 * size)
        usage, log = dict.fromkeys(("adapt", "predict test", "total"), used), {"latency_s": [0.1 * size]}
        return finished(usage=usage, log=log, assets=[{"index": used, "total": used}])

    once, twice = cost(name, cell(1), cell(3)), cost(name, *[cell(1), cell(3)] * 2)
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))


def test_every_measure_is_tested_here_and_taken_where_its_page_says() -> None:
    of_suites = {name for name, spec in SPECS.items() if spec.scopes == {"suites"}}
    assert set(SPECS) - of_suites == {*OF_ANSWERS, *OF_COST, *OF_RATES, *OF_ABSTAINING, "forgetting"}
    everywhere = {"accuracy", "macro_f1", *OF_BELIEFS, *OF_ABSTAINING, "hit_at_k", "mrr"}
    assert all("test" in spec.scopes for name, spec in SPECS.items() if name not in of_suites)
    assert {name for name, spec in SPECS.items() if "sets" in spec.scopes} == everywhere
    assert {name for name, spec in SPECS.items() if "groups" in spec.scopes} == {"accuracy", *OF_RATES}
