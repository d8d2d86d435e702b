"""How often the answers are right."""

import numpy as np

from harness.evidence import Evidence
from harness.stats import encode, interval, mean_interval, ratio, resampled
from harness.types import Measurement, not_measured

PERCENT = 100.0


def accuracy(evidence: Evidence) -> Measurement:
    """Mean over seeds and rows of [answer = gold], in percent; 95 % cluster bootstrap of the seed means."""
    if not evidence.rows:
        return not_measured("no rows", "%", "higher")
    correct = evidence.correct
    (clusters,) = encode([row.cluster for row in evidence.rows])
    low, high = mean_interval(correct.mean(axis=0), clusters)
    per_seed = correct.mean(axis=1) * PERCENT
    return Measurement(
        value=float(correct.mean() * PERCENT),
        low=low * PERCENT,
        high=high * PERCENT,
        n=len(evidence.rows),
        unit="%",
        better="higher",
        spread=float(per_seed.std(ddof=1)) if len(per_seed) > 1 else None,
    )


def macro_f1(evidence: Evidence) -> Measurement:
    """Mean over the labels present in gold of 2·TP / (2·TP + FP + FN), averaged over seeds, in percent."""
    if not evidence.task.labels:
        return not_measured("every question has its own choices, so there are no labels to average over", "%", "higher")
    present = np.unique(evidence.gold)
    (clusters,) = encode([row.cluster for row in evidence.rows])
    gold = (evidence.gold[:, None] == present).astype(float)
    chosen = (evidence.chosen[:, :, None] == present).astype(float)
    truth = clusters.sums(gold)
    parts = [(clusters.sums(answers * gold), clusters.sums(answers)) for answers in chosen]

    def f1(weights: np.ndarray) -> np.ndarray:
        per_seed = []
        for right, claimed in parts:
            scores = ratio(2 * (weights @ right), weights @ claimed + weights @ truth)
            per_seed.append(np.where(weights @ truth > 0, np.nan_to_num(scores), np.nan))
        return np.nanmean(np.nanmean(per_seed, axis=2), axis=0)

    low, high = interval(resampled(clusters.count, f1))
    value = f1(np.ones((1, clusters.count)))[0]
    return Measurement(
        value=float(value * PERCENT),
        low=low * PERCENT,
        high=high * PERCENT,
        n=len(evidence.rows),
        unit="%",
        better="higher",
    )
