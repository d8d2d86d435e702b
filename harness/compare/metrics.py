"""What is compared: a metric that is a function of sums over clusters, so that resampling never touches rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from harness.evidence import Evidence
from harness.stats import Clusters, Floats, encode, ratio


class Metric(Protocol):
    name: str

    def sums(self, evidence: Evidence) -> Floats:
        """[seeds, clusters, columns]; clusters in the order in which their rows first appear."""
        ...

    def of(self, sums: Floats) -> Floats:
        """Sums [..., columns] -> the metric [...], between 0 and 1."""
        ...


class Accuracy:
    name = "accuracy"

    def sums(self, evidence: Evidence) -> Floats:
        clusters = _clusters(evidence)
        rows = clusters.sums(np.ones(len(evidence.kept)))
        return np.stack([np.stack([clusters.sums(right), rows], axis=-1) for right in evidence.correct])

    def of(self, sums: Floats) -> Floats:
        return ratio(sums[..., 0], sums[..., 1])


@dataclass(frozen=True, slots=True)
class MacroF1:
    """F1 averaged over the labels that gold holds (see `harness_measures.accuracy.macro_f1`)."""

    name = "macro_f1"

    def sums(self, evidence: Evidence) -> Floats:
        clusters, present = _clusters(evidence), np.unique(evidence.gold)
        gold = (evidence.gold[:, None] == present).astype(float)
        truth = clusters.sums(gold)
        found = []
        for chosen in evidence.chosen:
            claimed = (chosen[:, None] == present).astype(float)
            found.append(np.concatenate([clusters.sums(claimed * gold), clusters.sums(claimed), truth], axis=-1))
        return np.stack(found)

    def of(self, sums: Floats) -> Floats:
        right, claimed, truth = np.split(sums, 3, axis=-1)
        scores = np.where(truth > 0, np.nan_to_num(ratio(2 * right, claimed + truth)), np.nan)
        mean: Floats = np.nanmean(scores, axis=-1)
        return mean


METRICS: dict[str, Metric] = {"accuracy": Accuracy(), "macro_f1": MacroF1()}


def _clusters(evidence: Evidence) -> Clusters:
    (clusters,) = encode(evidence.column("cluster"))
    return clusters
