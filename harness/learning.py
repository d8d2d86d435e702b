"""What a report says of how arms learn: losses by epoch, accuracy by training size and under permuted labels.

Pure functions of stored evidence; what a run was not asked for reads None, `not asked`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.evidence import CellEvidence


def epochs(cells: Sequence[CellEvidence]) -> list[dict[str, Any]]:
    """The training curve of every seed that was trained by epochs.

    Each has `seed`, `best_epoch` (whose weights were kept; None where the strategy did not tell) and `epochs`: dicts of
    `epoch` (from 1), `train_loss` and `validation_loss` (mean cross-entropies in nats) and `validation_accuracy` (in
    [0, 1]); the last two are None without validation questions. The train loss is the mean over the epoch, during which
    the weights change; the others are of its end.
    """
    return [
        {
            "seed": cell.seed,
            "best_epoch": cell.log.get("tuning", {}).get("best_epoch"),
            "epochs": list(cell.log["epochs"]),
        }
        for cell in cells
        if cell.log.get("epochs")
    ]
