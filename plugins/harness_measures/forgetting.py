"""What training made a model forget of texts that have nothing to do with the task."""

from __future__ import annotations

import numpy as np

from harness.evidence import Evidence
from harness.stats import Clusters, mean_interval
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
    found = [cell.log.get("held") for cell in evidence.cells]
    told = [each for each in found if each is not None]
    if len(told) < len(found):
        return not_measured("not asked", better="lower")
    by = told[0]["by"]
    texts = np.array([each["per_text"] for each in told])
    lost = 100 * (1 - texts) if by == "embed" else texts
    per_text, per_seed = lost.mean(axis=0), lost.mean(axis=1)
    low, high = mean_interval(per_text, Clusters(np.arange(len(per_text)), len(per_text)))
    spread = float(per_seed.std(ddof=1)) if len(per_seed) > 1 else None
    return Measurement(float(per_text.mean()), low, high, len(per_text), UNITS[by], "lower", spread=spread)
