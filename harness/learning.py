"""What a report says of how arms learn: losses by epoch, accuracy by training size and under permuted labels.

Pure functions of stored evidence; what a run was not asked for reads None, `not asked`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from harness.codec import column
from harness.compare.metrics import Accuracy, sums
from harness.compare.pairs import difference
from harness.compare.samples import sampled, widened
from harness.evidence import CellEvidence, Evidence
from harness.stats import interval
from harness.types import Measurement, not_measured

PERCENT = 100.0
NOT_ASKED, DOES_NOT_TRAIN, NOT_DONE = "not asked", "does not train", "no cell of it is done"
AT_CHANCE, NO_GAIN, GAINS = "at chance", "no gain over base", "GAINS: look for a leak"
Accurate = Callable[[Evidence], dict[str, Any]]
"""The accuracy of an arm on the question set in focus, as a report has it."""


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


def by_size(
    sizes: Sequence[Mapping[str, Any]] | None, cells: Mapping[str, Evidence], trains: bool, accurate: Accurate
) -> dict[str, Any]:
    """An arm's learning curve: `points`, from the least size to 100%, or None with a `reason`.

    A point has `size` (``10%``), the `rows` and `clusters` trained on, the `seeds` that are done, the `accuracy` on
    `test`, and of every extra test in `tests`: measurements in percent, with no value where no cell of it is done.
    `sizes` are those of the run (see `trainings.described`), `cells` the arm's evidence by the id of its training.
    """
    reason = NOT_ASKED if sizes is None else None if trains else DOES_NOT_TRAIN
    if sizes is None or reason:
        return {"points": None, "reason": reason}
    points = []
    for size in sizes:
        found = cells.get(size["training"])
        extra = found.task.extra_tests if found else ()
        points.append(
            {
                **{name: size[name] for name in ("size", "rows", "clusters")},
                "seeds": [cell.seed for cell in found.cells] if found else [],
                "accuracy": accurate(found.focus("test")) if found else asdict(not_measured(NOT_DONE, "%", "higher")),
                "tests": {name: accurate(found.focus(name)) for name in extra} if found else {},
            }
        )
    return {"points": points, "reason": None}


def permuted(found: Evidence | None, asked: bool, trains: bool, base: Evidence | None, tunes: bool) -> dict[str, Any]:
    """What an arm learnt from permuted labels: `accuracy` on `test`, the `chance` of it and what it is `less_base`, all
    measurements in percent or points, the arm that is this `base`, and the `verdict`.

    The verdict is `at chance` where the interval of accuracy does not lie above chance; else `no gain over base` where
    that of the paired difference to the untrained arm does not lie above 0; else that it gains. It is None, with the
    reason beside the accuracy, where an arm `tunes` a model and no untrained arm was run to tell what that knew before.
    Every seed has a permutation of its own; with several, intervals hold for other permutations too.
    """
    reason = NOT_ASKED if not asked else DOES_NOT_TRAIN if not trains else NOT_DONE
    nothing = asdict(not_measured(reason, "%", "higher"))
    if found is None:
        return {"accuracy": nothing, "chance": None, "base": None, "less_base": None, "verdict": None}
    metric = Accuracy()
    arms = [found] if base is None else [found, base]
    own, *others = sampled([sums(metric, arm) for arm in arms], metric)
    low, high = interval(widened(own.draws, own))
    chance = _chance(found)
    less = difference(own, others[0], 0.0, len(found.kept)) if others else None
    if math.isnan(low):
        verdict, why = None, "one cluster has no interval"
    elif low <= chance:
        verdict, why = AT_CHANCE, None
    elif less is not None and less.low <= 0:
        verdict, why = NO_GAIN, None
    elif less is None and tunes:
        verdict, why = None, "above chance, and no untrained arm was run to compare with: add base"
    else:
        verdict, why = GAINS, None
    return {
        "accuracy": asdict(_measured(own.value, low, high, len(found.kept), "%", why)),
        "chance": chance * PERCENT,
        "base": base.arm.name if base else None,
        "less_base": asdict(_measured(less.value, less.low, less.high, len(found.kept), "points")) if less else None,
        "verdict": verdict,
    }


def _measured(value: float, low: float, high: float, n: int, unit: str, reason: str | None = None) -> Measurement:
    ends = [None if math.isnan(end) else end * PERCENT for end in (low, high)]
    return Measurement(value * PERCENT, ends[0], ends[1], n, unit, "higher", reason=reason)


def _chance(found: Evidence) -> float:
    """What can be right without the question: of labels, the one most frequent in training; of choices, any of them."""
    if found.task.labels:
        named = found.task["train"].rows if "train" in found.task else found.task["test"].rows
        most, _ = Counter(column(named, "gold")).most_common(1)[0]
        return float(np.mean(found.gold == most))
    _, choices = found.scores(found.cells[0])
    return float(np.mean(1 / choices))
