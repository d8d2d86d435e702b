"""How much better the arm does on what it was trained on."""

import numpy as np

from harness.evidence import Evidence
from harness.stats import Clusters, balanced, encode, interval, ratio, resampled
from harness.types import Measurement, not_measured


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
    in_train, in_test = balanced(*names)
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
