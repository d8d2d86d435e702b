"""`--keep best`: of the adaptations that a run has saved, only the best on validation stays."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np

from harness.codec import decode_answers
from harness.plan import Plan
from harness.snapshot import artifact_folder, stored_answers
from harness.store import Store

CHOSEN_ON = "validation_sample"


def drop_all_but_best(plan: Plan, store: Store, keys: Sequence[str]) -> str | None:
    """Delete the files of every kept adaptation among `keys` but the best; returns its key.

    Without validation questions there is nothing to choose on: all stay, and None is returned.
    """
    if CHOSEN_ON not in plan.sets:
        return None
    scored = []
    for key in keys:
        record = store.latest("artifact", key)
        folder = artifact_folder(store, key)
        if record is not None and folder.is_dir():
            scored.append((_accuracy(plan, store, key), key, folder))
    scored.sort(reverse=True)
    for _, _, folder in scored[1:]:
        shutil.rmtree(folder)
    return scored[0][1] if scored else None


def _accuracy(plan: Plan, store: Store, key: str) -> float:
    asked = plan.sets[CHOSEN_ON]
    parts = stored_answers(store, key, asked.fingerprint)
    if parts is None:
        return -1.0
    chosen = decode_answers(parts).chosen
    return float(np.mean([a == row.gold for a, row in zip(chosen, asked.rows, strict=True)]))
