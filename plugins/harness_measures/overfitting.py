"""How much better the arm does on what it was trained on."""

from collections.abc import Sequence

import numpy as np

from harness.evidence import Evidence
from harness.stats import encode, interval, ratio, resampled
from harness.types import Measurement, Row, not_measured

SEED = 17


def overfit_gap(evidence: Evidence) -> Measurement:
    """Accuracy on training rows minus accuracy on test rows, in points, by the same answerer.

    Both sides have the same number of clusters, drawn once from the larger side; clusters that occur on
    both sides are resampled together.
    """
    seen = evidence.focus("train_sample")
    if not seen.answered:
        return not_measured("no training rows were asked", "points", "lower")
    train, test = encode([row.cluster for row in seen.rows], [row.cluster for row in evidence.rows])
    # Drawn by name, so that the order of rows decides nothing.
    train_kept, test_kept = _by_name(seen.rows, train.codes), _by_name(evidence.rows, test.codes)
    equal = min(len(train_kept), len(test_kept))
    generator = np.random.default_rng(SEED)
    in_train = np.isin(train.codes, generator.permutation(train_kept)[:equal])
    in_test = np.isin(test.codes, generator.permutation(test_kept)[:equal])
    train_right, train_rows = train.sums(seen.correct.mean(axis=0) * in_train), train.sums(in_train.astype(float))
    test_right, test_rows = test.sums(evidence.correct.mean(axis=0) * in_test), test.sums(in_test.astype(float))

    def gap(weights: np.ndarray) -> np.ndarray:
        return 100 * (
            ratio(weights @ train_right, weights @ train_rows) - ratio(weights @ test_right, weights @ test_rows)
        )

    low, high = interval(resampled(train.count, gap))
    value = float(gap(np.ones((1, train.count)))[0])
    return Measurement(value, low, high, int(in_train.sum() + in_test.sum()), "points", "lower")


def _by_name(rows: Sequence[Row], codes: np.ndarray) -> np.ndarray:
    """Numbers of the clusters, in the order of their names."""
    numbers = {row.cluster: int(code) for row, code in zip(rows, codes, strict=True)}
    return np.array([numbers[name] for name in sorted(numbers)])
