"""The share of some rows that are counted, with its interval: what rates have in common."""

from __future__ import annotations

import numpy as np

from harness.evidence import Evidence
from harness.stats import Clusters, Floats, Ints, mean_interval
from harness.types import Measurement


def share(
    evidence: Evidence, kept: Ints, counted: Floats, better: str | None = None, reason: str | None = None
) -> Measurement:
    """In percent, of the rows at `kept` [k]: `counted` [k] is each one's mean over seeds; clusters are resampled.

    Clusters are numbered by their names, so that the order of rows decides nothing, however few clusters are left.
    """
    names = np.array(evidence.column("cluster"), dtype=object)[kept]
    found, codes = np.unique(names, return_inverse=True)
    low, high = mean_interval(counted, Clusters(codes, len(found)))
    return Measurement(float(100 * counted.mean()), 100 * low, 100 * high, len(kept), "%", better, reason=reason)
