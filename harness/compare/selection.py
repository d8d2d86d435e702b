"""Which arm is best, how sure that is, and what choosing it by its result makes that result look better by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.compare.samples import Samples, widened
from harness.stats import Floats


@dataclass(frozen=True, slots=True)
class Selection:
    best: int
    """Its place among the arms."""
    p_best: tuple[float, ...]
    """Share of resamples in which each arm comes out best; those that share a first place share the count."""
    corrected: float
    """The best one's metric less the optimism of having chosen it."""


def select(arms: Sequence[Samples]) -> Selection:
    """Choosing is repeated inside each resample; optimism is how much better the arm chosen there looks on that
    resample than on all clusters (Efron & Tibshirani 1993, ch. 17)."""
    observed = np.array([arm.value for arm in arms])
    draws: Floats = np.stack([widened(arm.draws, arm) for arm in arms], axis=1)
    best = int(observed.argmax())
    if not np.isfinite(draws).all():
        return Selection(best, tuple(float("nan") for _ in arms), float("nan"))
    first = np.isclose(draws, draws.max(axis=1, keepdims=True), rtol=0, atol=1e-12)
    shared = first / first.sum(axis=1, keepdims=True)
    optimism = (shared * (draws - observed)).sum(axis=1).mean()
    return Selection(best, tuple(map(float, shared.mean(axis=0))), float(observed[best] - optimism))
