"""How often the answers are right."""

import numpy as np

from harness.evidence import Evidence
from harness.stats import encode, interval, mean_interval, ratio, resampled
from harness.types import Measurement, not_measured

PERCENT = 100.0


def accuracy(evidence: Evidence) -> Measurement:
    """Mean over seeds and rows of [answer = gold], in percent; 95 % cluster bootstrap of the seed means."""
    if not evidence.kept:
        return not_measured("no rows", "%", "higher")
    correct = evidence.correct
    (clusters,) = encode(evidence.column("cluster"))
    low, high = mean_interval(correct.mean(axis=0), clusters)
    per_seed = correct.mean(axis=1) * PERCENT
    return Measurement(
        value=float(correct.mean() * PERCENT),
        low=low * PERCENT,
        high=high * PERCENT,
        n=len(evidence.kept),
        unit="%",
        better="higher",
        spread=float(per_seed.std(ddof=1)) if len(per_seed) > 1 else None,
    )


def macro_f1(evidence: Evidence) -> Measurement:
    """Mean over the labels present in gold of 2·TP / (2·TP + FP + FN), averaged over seeds, in percent."""
    if not evidence.task.labels:
        return not_measured("every question has its own choices, so there are no labels to average over", "%", "higher")
    present = np.unique(evidence.gold)
    (clusters,) = encode(evidence.column("cluster"))
    kept, clusters, copies = clusters.kinds(evidence.gold, *evidence.chosen)
    gold = evidence.gold[kept]

    def counts(rows: np.ndarray) -> np.ndarray:
        """Of each cluster, the rows whose label [n] is the one: [clusters, labels]."""
        return np.stack([clusters.sums((rows == label).astype(float)) for label in present], axis=1)

    truth = counts(gold)
    parts = [(counts(np.where(answers == gold, gold, -1)), counts(answers)) for answers in evidence.chosen[:, kept]]

    def f1(weights: np.ndarray) -> np.ndarray:
        per_seed = []
        for right, claimed in parts:
            scores = ratio(2 * (weights @ right), weights @ claimed + weights @ truth)
            per_seed.append(np.where(weights @ truth > 0, np.nan_to_num(scores), np.nan))
        return np.nanmean(np.nanmean(per_seed, axis=2), axis=0)

    low, high = interval(resampled(copies, f1))
    value = f1(copies[None].astype(float))[0]
    return Measurement(
        value=float(value * PERCENT),
        low=low * PERCENT,
        high=high * PERCENT,
        n=len(evidence.kept),
        unit="%",
        better="higher",
    )
