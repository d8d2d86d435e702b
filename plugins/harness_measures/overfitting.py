"""How much better the arm does on what it was trained on."""

from collections.abc import Sequence

import numpy as np

from harness.evidence import Evidence
from harness.stats import Clusters, encode, interval, ratio, resampled
from harness.types import Measurement, not_measured

SEED = 17


def overfit_gap(evidence: Evidence) -> Measurement:
    """Accuracy on training rows minus accuracy on test rows, in points, by the same answerer.

    Both sides have the same number of clusters, drawn once from the larger side; clusters that occur on
    both sides are resampled together.
    """
    seen = evidence.focus("train_sample")
    if not seen.answered:
        return not_measured("no training rows were asked", "points", "lower")
    names = seen.column("cluster"), evidence.column("cluster")
    train, test = encode(*names)
    # Drawn by name, so that the order of rows decides nothing.
    train_kept, test_kept = _by_name(names[0], train.codes), _by_name(names[1], test.codes)
    equal = min(len(train_kept), len(test_kept))
    generator = np.random.default_rng(SEED)
    in_train = np.isin(train.codes, generator.permutation(train_kept)[:equal])
    in_test = np.isin(test.codes, generator.permutation(test_kept)[:equal])
    drawn = np.concatenate([in_train, in_test])
    trained = np.arange(len(drawn)) < len(in_train)
    right = np.concatenate([seen.correct.mean(axis=0), evidence.correct.mean(axis=0)])
    both = Clusters(np.concatenate([train.codes, test.codes]), train.count)
    kept, kinds, copies = both.kinds(trained, drawn, right)
    sides = [(drawn & (trained == side))[kept].astype(float) for side in (True, False)]
    sums = [(kinds.sums(right[kept] * side), kinds.sums(side)) for side in sides]

    def gap(weights: np.ndarray) -> np.ndarray:
        seen_rate, test_rate = (ratio(weights @ above, weights @ below) for above, below in sums)
        return 100 * (seen_rate - test_rate)

    low, high = interval(resampled(copies, gap))
    value = float(gap(copies[None].astype(float))[0])
    return Measurement(value, low, high, int(drawn.sum()), "points", "lower")


def _by_name(names: Sequence[str], codes: np.ndarray) -> np.ndarray:
    """Numbers of the clusters, in the order of their names."""
    numbers = dict(zip(names, codes.tolist(), strict=True))
    return np.array([numbers[name] for name in sorted(numbers)])
