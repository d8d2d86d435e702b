"""Paired comparisons against what can be counted on paper, against scipy, and on worlds whose truth is known."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import cast

import numpy as np
import pytest

from harness.compare import Compared, compared
from harness.compare.metrics import Accuracy, MacroF1
from harness.compare.pairs import Difference, difference, verdict
from harness.compare.samples import Samples, sampled, widened
from harness.compare.selection import select
from harness.compare.significance import FLIPPED, MCNEMAR, flipped_sums, holm, mcnemar, p_value
from harness.evidence import CellEvidence, Evidence, TaskEvidence
from harness.stats import encode
from harness.types import Answers, Arm, Question, QuestionSet, Row, Usage

ACCURACY = Accuracy()
LABELS = ("A", "B", "C")


class GivenTask:
    """What comparisons read of a task, without a store."""

    def __init__(self, primary: str, **sets: Sequence[Row]) -> None:
        self._sets = {name: QuestionSet(name, tuple(rows), name) for name, rows in sets.items()}
        self.primary, self.extra_tests = primary, tuple(name for name in sets if name != "test")
        self.labels = LABELS

    def __contains__(self, name: str) -> bool:
        return name in self._sets

    def __getitem__(self, name: str) -> QuestionSet:
        return self._sets[name]


def arm(task: GivenTask, name: str, *seeds: dict[str, Sequence[int]], backend: str = "torch") -> Evidence:
    """Answers of every seed, by question set."""
    scores = np.eye(len(LABELS), dtype=np.float32)
    cells = tuple(
        CellEvidence(
            "key",
            number,
            {"total": Usage()},
            {},
            (),
            False,
            {asked: Answers(tuple(scores[c] for c in chosen)) for asked, chosen in given.items()},
        )
        for number, given in enumerate(seeds)
    )
    return Evidence(Arm(name, backend, "m", {}), cast(TaskEvidence, task), cells, None, "cpu", True)


def rows(gold: Sequence[int], clusters: Sequence[int] | None = None) -> list[Row]:
    names = range(len(gold)) if clusters is None else clusters
    return [Row(Question("q", (), LABELS), g, str(c), {}, (), None) for g, c in zip(gold, names, strict=True)]


def sums(*right: Sequence[float], rows_per_cluster: int = 1) -> np.ndarray:
    """One arm's seeds: how many are right in each cluster."""
    return np.stack([np.stack([np.array(r, float), np.full(len(r), float(rows_per_cluster))], -1) for r in right])


# -- p-values ----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize(("a", "b"), [(0, 0), (1, 0), (5, 5), (3, 11), (40, 12), (900, 1000), (4000, 100)])
def test_mcnemar_is_the_exact_binomial_test(a: int, b: int) -> None:
    from scipy.stats import binomtest

    expected = binomtest(a, a + b).pvalue if a + b else 1.0
    assert mcnemar(a, b) == pytest.approx(expected, rel=1e-9)


def test_flipping_equal_sizes_together_is_flipping_each() -> None:
    """All 2^8 signs, counted: how often each sum comes."""
    sizes = np.array([1.0, 1, 1, -2, 2, 3, 0, -1])
    every = [sum(s * x for s, x in zip(signs, sizes, strict=True)) for signs in itertools.product((-1, 1), repeat=8)]
    drawn = flipped_sums(sizes, 40_000)
    for total in sorted(set(every)):
        assert np.mean(drawn == total) == pytest.approx(every.count(total) / len(every), abs=0.01)


def test_holm_by_hand() -> None:
    """Sorted .01 .02 .03 .2 -> 4x .04, 3x .06, 2x .06, .2; ranks follow their p."""
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_which_test_is_used() -> None:
    one, other = sampled([sums([1, 1, 0, 1, 1, 1]), sums([0, 0, 0, 0, 0, 1])], ACCURACY, 200)
    assert p_value(one, other, ACCURACY) == (pytest.approx(0.125), MCNEMAR)
    pair = sampled([sums([2, 2, 0], rows_per_cluster=2), sums([0, 0, 0], rows_per_cluster=2)], ACCURACY, 200)
    p, test = p_value(pair[0], pair[1], ACCURACY)
    assert test == FLIPPED
    assert p == pytest.approx(0.5, abs=0.02), "of four pairs of signs two are as far out"


def test_arms_that_answer_alike_differ_in_nothing() -> None:
    same = sums([1, 0, 1, 1], [1, 1, 1, 0])
    a, b = sampled([same, same.copy()], ACCURACY, 500)
    assert p_value(a, b, ACCURACY)[0] == 1.0
    found = difference(a, b, 0.02, 4)
    assert (found.value, found.more_questions) == (0.0, None)


# -- intervals ---------------------------------------------------------------------------------------------


def test_drawing_kinds_is_drawing_clusters() -> None:
    """400 clusters of four kinds are drawn by kind; a column that tells them apart makes them drawn one by one."""
    random = np.random.default_rng(0)
    a, b = sums(random.integers(0, 2, 400)), sums(random.integers(0, 2, 400))
    by_kind = sampled([a, b], ACCURACY, 20_000)
    apart = np.concatenate([a, np.arange(400.0)[None, :, None]], axis=2)
    one_by_one = sampled([apart, b], ACCURACY, 20_000)
    for left, right in zip(by_kind, one_by_one, strict=True):
        assert left.draws.mean() == pytest.approx(right.draws.mean(), abs=5e-4)
        assert left.draws.std() == pytest.approx(right.draws.std(), rel=0.03)
    assert np.corrcoef(by_kind[0].draws, by_kind[1].draws)[0, 1] == pytest.approx(
        np.corrcoef(one_by_one[0].draws, one_by_one[1].draws)[0, 1], abs=0.03
    )


def test_seeds_that_differ_widen_the_interval_and_seeds_that_agree_do_not() -> None:
    steady = sampled([sums([1, 0] * 50, [1, 0] * 50, [1, 0] * 50)], ACCURACY)[0]
    assert (steady.training.adds, steady.training.spread) == (pytest.approx(0, abs=1e-12), 0)
    assert widened(steady.draws, steady) is steady.draws
    apart = sampled([sums([1, 0] * 50, [1] * 100, [0] * 100)], ACCURACY)[0]
    assert apart.training.spread == pytest.approx(0.25 / 3), "seeds at .5, 1 and 0"
    wide = np.quantile(widened(apart.draws, apart), [0.025, 0.975])
    assert wide[1] - wide[0] > 1.0, "three seeds that far apart say next to nothing"


# -- verdicts ----------------------------------------------------------------------------------------------


def test_verdicts() -> None:
    def found(value: float, equivalent: bool = False) -> Difference:
        return Difference(value, value - 0.01, value + 0.01, equivalent, 0.03, 100)

    assert verdict(found(0.1), 0.01) == "better"
    assert verdict(found(-0.1), 0.01) == "worse"
    assert verdict(found(0.1), 0.2) == "not separated"
    assert verdict(found(0.01, equivalent=True), 0.001) == "equivalent"


def test_equivalence_needs_enough_questions() -> None:
    """The same difference of none: 40 rows cannot show it, 40,000 can."""
    for copies, shown in ((10, False), (10_000, True)):
        a, b = sampled([sums([1, 0, 1, 0] * copies), sums([0, 1, 1, 0] * copies)], ACCURACY)
        assert difference(a, b, 0.02, 4 * copies).equivalent is shown


def test_what_can_be_detected_and_how_many_more_questions_it_takes() -> None:
    """Half of the rows differ, by 1 either way: variance .5; 1.96 + .84 = 2.8 errors are found 4 times in 5."""
    a, b = sampled([sums([1, 0, 1, 0] * 100), sums([0, 1, 1, 0] * 100)], ACCURACY)
    found = difference(a, b, 0.02, 400)
    error = 0.5**0.5 / 400**0.5
    assert found.detectable == pytest.approx(2.8 * error, rel=0.05)
    lifted = sums([1] * 8 + [1, 0, 1, 0] * 98)
    a, b = sampled([lifted, sums([0] * 8 + [0, 1, 1, 0] * 98)], ACCURACY)
    found = difference(a, b, 0.02, 400)
    needed = 400 * (2.8 * (0.51**0.5 / 20) / 0.02) ** 2
    assert found.more_questions == pytest.approx(needed - 400, rel=0.1)


def test_no_number_of_questions_makes_up_for_seeds_that_disagree() -> None:
    a = sums([1] * 90 + [0] * 10, [0] * 90 + [1] * 10, [1, 0] * 50)
    pair = sampled([a, sums([1, 0] * 50)], ACCURACY)
    assert difference(*pair, 0.02, 100).more_questions is None


# -- selection ---------------------------------------------------------------------------------------------


def test_alike_arms_share_the_first_place() -> None:
    arms = sampled([sums([1, 0, 1, 1] * 30)] * 3, ACCURACY, 500)
    found = select(arms)
    assert found.p_best == pytest.approx((1 / 3,) * 3)
    assert found.corrected == pytest.approx(0.75, abs=0.01), "choosing among the same gives no optimism"


@pytest.mark.slow
def test_choosing_among_equals_flatters_and_is_corrected() -> None:
    random, raw, corrected = np.random.default_rng(1), [], []
    for _ in range(60):
        arms = sampled([sums((random.random(200) < 0.5).astype(float)) for _ in range(6)], ACCURACY, 400)
        found = select(arms)
        raw.append(arms[found.best].value - 0.5)
        corrected.append(found.corrected - 0.5)
    assert np.mean(raw) > 0.035
    assert abs(np.mean(corrected)) < np.mean(raw) / 2


# -- the document ------------------------------------------------------------------------------------------


def document(primary: str = "accuracy") -> Compared:
    gold = [0, 1, 2, 0] * 30
    task = GivenTask(primary, test=rows(gold), unseen=rows(gold))
    wrong = [(g + 1) % 3 for g in gold]
    half = [g if place % 2 else w for place, (g, w) in enumerate(zip(gold, wrong, strict=True))]
    return compared(
        [
            arm(task, "base", {"test": wrong, "unseen": wrong}),
            arm(task, "full", {"test": gold, "unseen": half}),
            arm(task, "full", {"test": gold, "unseen": half}, backend="keras"),
            arm(task, "probe", {"test": half}),
        ]
    )


@pytest.mark.parametrize("primary", ["accuracy", "macro_f1"])
def test_every_arm_is_held_against_its_base_the_best_and_its_like(primary: str) -> None:
    found = document(primary)
    assert found.comparisons is not None
    pairs = {(pair["set"], pair["a"], pair["b"]): pair for pair in found.comparisons}
    assert set(pairs) == {
        ("test", "base@torch:m", "full@torch:m"),
        ("test", "full@keras:m", "base@torch:m"),
        ("test", "full@keras:m", "full@torch:m"),
        ("test", "probe@torch:m", "base@torch:m"),
        ("test", "probe@torch:m", "full@torch:m"),
        ("unseen", "base@torch:m", "full@torch:m"),
        ("unseen", "full@keras:m", "base@torch:m"),
        ("unseen", "full@keras:m", "full@torch:m"),
    }
    assert pairs["test", "base@torch:m", "full@torch:m"]["verdict"] == "worse"
    assert pairs["test", "full@keras:m", "full@torch:m"]["verdict"] == "equivalent"
    assert pairs["test", "probe@torch:m", "base@torch:m"]["verdict"] == "better"
    assert pairs["test", "probe@torch:m", "base@torch:m"]["measure"] == primary
    assert found.ties == {"full@torch:m": ["full@keras:m"]}
    assert found.selection is not None
    assert found.selection["test"]["p_best"]["full@torch:m"] == pytest.approx(0.5)


def test_holm_counts_every_pair_that_could_have_been_looked_at() -> None:
    found = document()
    assert found.comparisons is not None
    pair = next(pair for pair in found.comparisons if pair["a"] == "base@torch:m" and pair["set"] == "test")
    assert pair["p_adjusted"] == pytest.approx(6 * pair["p"]), "four arms, six pairs, this one the smallest"


def test_nothing_to_compare_is_no_comparison() -> None:
    task = GivenTask("accuracy", test=rows([0, 1]))
    assert compared([]).comparisons is None
    found = compared([arm(task, "base", {"test": [0, 1]})])
    assert (found.comparisons, found.selection, found.ties) == (None, None, {})
    assert found.pair("base@fake", "base@fake", "test") is None
    together = GivenTask("accuracy", test=rows([0, 1], [7, 7]))
    alone = [arm(together, name, {"test": [0, 1]}) for name in ("base", "full")]
    assert compared(alone).comparisons is None, "one cluster says nothing of others"


@pytest.mark.slow
def test_macro_f1_is_that_of_the_measure() -> None:
    from sklearn.metrics import f1_score

    random = np.random.default_rng(2)
    gold, chosen = random.integers(0, 3, 60), random.integers(0, 3, 60)
    given = arm(GivenTask("macro_f1", test=rows(gold.tolist())), "full", {"test": chosen.tolist()})
    metric = MacroF1()
    (found,) = sampled([metric.counted(given.gold, given.chosen, encode(given.column("cluster"))[0])], metric, 50)
    assert isinstance(found, Samples)
    assert found.value == pytest.approx(f1_score(gold, chosen, average="macro"))
