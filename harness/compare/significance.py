"""p-values of paired differences, and their correction for being many."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from harness.compare.metrics import Accuracy, Metric
from harness.compare.samples import Samples, widened
from harness.stats import SEED, Floats

FLIPS = 10_000
_CHUNK = 4_000_000
MCNEMAR, FLIPPED = "exact McNemar", "cluster sign flips"


def p_value(a: Samples, b: Samples, metric: Metric) -> tuple[float, str]:
    """Two-sided p for "both arms are alike on such clusters", and the name of the test.

    Cluster permutation: within each cluster the arms' answers change places with probability 1/2 (for accuracy: the
    cluster's difference changes its sign); the smallest possible p is 1 / 10,001. The null distribution is widened by
    what other training seeds would add. With one seed each and every row its own cluster, the exact test of
    McNemar (1947).
    """
    if isinstance(metric, Accuracy):
        difference = a.sums[..., 0].mean(axis=0) - b.sums[..., 0].mean(axis=0)
        rows = a.sums[0, :, 1]
        if len(a.seeds) == len(b.seeds) == 1 and bool((rows == 1).all()):
            return mcnemar(int((difference > 0).sum()), int((difference < 0).sum())), MCNEMAR
        null = flipped_sums(difference) / rows.sum()
    else:
        null = _swapped(a.sums.mean(axis=0), b.sums.mean(axis=0), metric)
    reached = np.abs(widened(null, a, b)) >= abs(a.value - b.value) - 1e-12
    return float((1 + reached.sum()) / (1 + len(null))), FLIPPED


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided McNemar: a binomial test of the rows on which just one arm is right."""
    count, fewer = only_a + only_b, min(only_a, only_b)
    if count == 0 or only_a == only_b:
        return 1.0
    whole = math.lgamma(count + 1) - count * math.log(2)
    terms = [whole - math.lgamma(k + 1) - math.lgamma(count - k + 1) for k in range(fewer + 1)]
    top = max(terms)
    return min(1.0, 2 * math.exp(top) * math.fsum(math.exp(term - top) for term in terms))


def flipped_sums(differences: Floats, flips: int = FLIPS) -> Floats:
    """Sums of [clusters] with every sign drawn anew: [flips].

    Equal sizes are flipped together, as a binomial count: with few sizes, cost does not grow with clusters.
    """
    random = np.random.default_rng(SEED)
    sizes, copies = np.unique(np.abs(differences[differences != 0]), return_counts=True)
    total = np.zeros(flips)
    for size, count in zip(sizes, copies, strict=True):
        total += size * (2 * random.binomial(count, 0.5, size=flips) - count)
    return total


def _swapped(a: Floats, b: Floats, metric: Metric) -> Floats:
    """Differences of the metric when clusters [clusters, columns] change arms at random: [flips]."""
    random = np.random.default_rng(SEED)
    total, difference = (a + b).sum(axis=0), a - b
    found = []
    step = max(1, _CHUNK // len(a))
    for start in range(0, FLIPS, step):
        signs = random.choice((-1.0, 1.0), size=(min(step, FLIPS - start), len(a)))
        moved = signs @ difference
        found.append(metric.of((total + moved) / 2) - metric.of((total - moved) / 2))
    return np.concatenate(found)


def holm(p: Sequence[float]) -> list[float]:
    """Adjusted p-values (Holm 1979, "A simple sequentially rejective multiple test procedure")."""
    adjusted = [0.0] * len(p)
    highest = 0.0
    for rank, place in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        highest = max(highest, min(1.0, (len(p) - rank) * p[place]))
        adjusted[place] = highest
    return adjusted
