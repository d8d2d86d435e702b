"""What is compared: a metric that is a function of sums over clusters, so that resampling never touches rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.evidence import Evidence
from harness.stats import Clusters, Floats, Ints, encode, ratio


class Metric(Protocol):
    name: str

    def counted(self, gold: Ints, chosen: Ints, clusters: Clusters) -> Floats:
        """Gold [n], answers [seeds, n] -> [seeds, clusters, columns]."""
        ...

    def of(self, sums: Floats) -> Floats:
        """Sums [..., columns] -> the metric [...], between 0 and 1."""
        ...


class Accuracy:
    name = "accuracy"

    def counted(self, gold: Ints, chosen: Ints, clusters: Clusters) -> Floats:
        rows = clusters.sums(np.ones(len(gold)))
        right = (chosen == gold).astype(float)
        return np.stack([np.stack([clusters.sums(each), rows], axis=-1) for each in right])

    def of(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])


@dataclass(frozen=True, slots=True)
class MacroF1:
    """F1 averaged over the labels that gold holds (see `harness_measures.accuracy.macro_f1`)."""

    name = "macro_f1"

    def counted(self, gold: Ints, chosen: Ints, clusters: Clusters) -> Floats:
        present = np.unique(gold)
        held = (gold[:, None] == present).astype(float)
        truth = clusters.sums(held)
        found = []
        for answers in chosen:
            claimed = (answers[:, None] == present).astype(float)
            found.append(np.concatenate([clusters.sums(claimed * held), clusters.sums(claimed), truth], axis=-1))
        return np.stack(found)

    def of(self, sums: Floats) -> Floats:
        right, claimed, truth = np.split(sums, 3, axis=-1)
        scores = np.where(truth > 0, np.nan_to_num(ratio(2 * right, claimed + truth)), np.nan)
        mean: Floats = np.nanmean(scores, axis=-1)
        return mean


METRICS: dict[str, Metric] = {"accuracy": Accuracy(), "macro_f1": MacroF1()}


def sums(metric: Metric, evidence: Evidence) -> Floats:
    """[seeds, clusters, columns]; clusters in the order in which their rows first appear."""
    (clusters,) = encode(evidence.column("cluster"))
    return metric.counted(evidence.gold, evidence.chosen, clusters)
