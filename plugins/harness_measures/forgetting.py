"""What training made a model forget of texts that have nothing to do with the task."""

from __future__ import annotations

import math

import numpy as np

from harness.evidence import Evidence
from harness.seeds import estimate, summed
from harness.stats import Clusters, ratio
from harness.types import Measurement, not_measured

UNITS = {"embed": "%", "score": "nats"}


def forgetting(evidence: Evidence) -> Measurement:
    """What held texts lost in training, averaged over texts and seeds.

    For a model that gives vectors 100·(1 − ρ), in %: ρ is how alike a text's similarities to the others are ordered
    before and after (Spearman). 0: as before; 100: nothing is left of the order. For one that gives log-likelihoods
    the nats by which a text's fell.
    """
    if not evidence.trained:
        return not_measured("it trains no weights", better="lower")
    logs = [cell.log.get("held") for cell in evidence.cells]
    told = [each for each in logs if each is not None]
    if len(told) < len(logs):
        return not_measured("not asked", better="lower")
    by = told[0]["by"]
    kept = np.array([each["per_text"] for each in told])
    lost, least, most = (100 * (1 - kept), 0.0, 200.0) if by == "embed" else (kept, -math.inf, math.inf)
    texts = lost.shape[1]
    sums = summed(Clusters(np.arange(texts), texts), lost, np.ones(texts))
    found = estimate([sums], lambda sums: ratio(sums[..., 0], sums[..., 1]), least, most)
    return Measurement(found.value, found.low, found.high, texts, UNITS[by], "lower", spread=found.spread)
