"""How much better the arm does on what it was trained on."""

import numpy as np

from harness.evidence import Evidence
from harness.seeds import estimate, summed
from harness.stats import Clusters, Floats, balanced, encode, ratio
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
    right = np.concatenate([seen.correct, evidence.correct], axis=1)
    both = Clusters(np.concatenate([train.codes, test.codes]), train.count)
    sides = [(drawn & (trained == side)).astype(float) for side in (True, False)]
    sums = np.concatenate([summed(both, right * side, side) for side in sides], axis=2)

    def gap(found: Floats) -> Floats:
        rates = ratio(found[..., ::2], found[..., 1::2])
        apart: Floats = 100 * (rates[..., 0] - rates[..., 1])
        return apart

    found = estimate([sums], gap, -100, 100)
    return Measurement(found.value, found.low, found.high, int(drawn.sum()), "points", "lower", spread=found.spread)
