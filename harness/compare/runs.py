"""Two stored runs, arm by arm on the questions that both asked: is the difference real, and what else changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.compare.changes import changes
from harness.compare.metrics import METRICS, Metric
from harness.compare.pairing import Paired, paired
from harness.compare.pairs import PERCENT, difference, in_points
from harness.compare.samples import Samples, sampled
from harness.compare.significance import holm, p_value
from harness.errors import UsageError
from harness.evidence import Evidence
from harness.request import MARGIN
from harness.stats import LEAST_CLUSTERS, Floats, encode
from harness.store import Store
from harness.stored import StoredRun, answered, stored_run

SCHEMA = "harness.comparison/1"
EXAMPLES = 5
"""Ids told of each sort of questions that are not in both runs."""
ONE_CLUSTER = "all questions that both asked are of one cluster, which says nothing of others"


def compared_runs(store: Store, then: str, now: str, margin: float = MARGIN) -> dict[str, Any]:
    """The document `harness.comparison/1`; differences are now less then, in points.

    Raises `UsageError` for a run that does not exist, and for runs that have no arm, or no question, in common.
    """
    runs = stored_run(store, then), stored_run(store, now)
    arms = [{each.arm.name: each for each in answered(store, run)} for run in runs]
    shared = [name for name in arms[0] if name in arms[1]]
    if not shared:
        raise UsageError(f"runs {runs[0].id} and {runs[1].id} have no arm in common that answered in both")
    pairs = [(arms[0][name], arms[1][name]) for name in shared]
    metric, questions, told = _metric(*pairs[0]), [], []
    for name in _sets(*pairs[0]):
        one, other = pairs[0][0].task, pairs[0][1].task
        found = paired(one[name], other[name], bool(one.labels and other.labels))
        questions.append(_questions(name, found))
        if len(found.now):
            told += _set(name, pairs, found, metric, margin)
    if not told:
        raise UsageError(f"runs {runs[0].id} and {runs[1].id} asked no question in common")
    return {
        "schema": SCHEMA,
        **{when: _run(run) for when, run in zip(("then", "now"), runs, strict=True)},
        "measure": metric.name,
        "margin": margin,
        "arms": told,
        "only": _only(store, runs, arms),
        "questions": questions,
        "changes": [change.told() for change in changes(*runs)],
    }


def _run(run: StoredRun) -> dict[str, Any]:
    return {"id": run.id, "created": run.created, "task": run.body["task"]}


def _metric(then: Evidence, now: Evidence) -> Metric:
    """What the task is measured by; accuracy where that is not the same in both."""
    one, other = then.task, now.task
    same = (one.primary, one.labels) == (other.primary, other.labels)
    return METRICS[one.primary if same else "accuracy"]


def _sets(then: Evidence, now: Evidence) -> list[str]:
    return [name for name in ("test", *then.task.extra_tests) if name in ("test", *now.task.extra_tests)]


def _questions(name: str, found: Paired) -> dict[str, Any]:
    apart = {"only_then": found.only_then, "only_now": found.only_now, "changed": found.changed}
    return {
        "set": name,
        "paired": len(found.now),
        "by": found.by,
        **{sort: {"count": len(ids), "ids": list(ids[:EXAMPLES])} for sort, ids in apart.items()},
    }


@dataclass(frozen=True, slots=True)
class _Arm:
    """One arm on the questions that both runs asked."""

    name: str
    then: Samples
    now: Samples
    better: int
    """Questions that more of its seeds answer right now than did then."""
    worse: int
    same_cells: bool
    """Whether nothing that shapes its answers has changed: both runs have cells of the same keys."""


def _set(
    name: str, pairs: Sequence[tuple[Evidence, Evidence]], found: Paired, metric: Metric, margin: float
) -> list[dict[str, Any]]:
    """p-values are corrected (Holm) for all arms of the set."""
    asked = [(then.focus(name), now.focus(name)) for then, now in pairs]
    arms = [_arm(then, now, found, metric) for then, now in asked if then.answered and now.answered]
    p = [p_value(arm.now, arm.then, metric) for arm in arms]
    adjusted = holm([each for each, _ in p])
    told = []
    for arm, (own, test), corrected in zip(arms, p, adjusted, strict=True):
        told.append(
            {
                "arm": arm.name,
                "set": name,
                "n": len(found.now),
                "then": arm.then.value * PERCENT,
                "now": arm.now.value * PERCENT,
                **_difference(arm, own, corrected, test, margin, len(found.now)),
                "better": arm.better,
                "worse": arm.worse,
                "seeds": [len(arm.then.seeds), len(arm.now.seeds)],
                "same_cells": arm.same_cells,
            }
        )
    return told


def _arm(then: Evidence, now: Evidence, found: Paired, metric: Metric) -> _Arm:
    names = now.column("cluster")
    (clusters,) = encode([names[place] for place in found.now])

    def sums(evidence: Evidence, places: Any) -> Floats:
        return metric.counted(evidence.gold[places], evidence.chosen[:, places], clusters)

    before, after = sampled([sums(then, found.then), sums(now, found.now)], metric)
    gained = now.correct[:, found.now].mean(axis=0) - then.correct[:, found.then].mean(axis=0)
    same = [cell.key for cell in then.cells] == [cell.key for cell in now.cells]
    return _Arm(now.arm.name, before, after, int((gained > 0).sum()), int((gained < 0).sum()), same)


def _difference(arm: _Arm, p: float, adjusted: float, test: str, margin: float, questions: int) -> dict[str, Any]:
    """With its verdict, or the reason why there is none."""
    if arm.now.sums.shape[1] < LEAST_CLUSTERS:
        value = (arm.now.value - arm.then.value) * PERCENT
        unknown = dict.fromkeys(("low", "high", "p", "p_adjusted", "test", "verdict", "detectable"))
        return {"difference": value, **unknown, "reason": ONE_CLUSTER}
    found = difference(arm.now, arm.then, margin / PERCENT, questions)
    return {**in_points(found, p, adjusted, test), "reason": None}


def _only(store: Store, runs: Sequence[StoredRun], arms: Sequence[Mapping[str, Evidence]]) -> list[dict[str, Any]]:
    """Arms that answered in one of the runs alone, and what became of them in the other."""
    found = []
    for when, own, other in (("then", 0, 1), ("now", 1, 0)):
        for name in arms[own]:
            if name not in arms[other]:
                planned = runs[other].arms.get(name)
                state, reason = runs[other].state_of(store, planned[0]) if planned else ("not asked for", None)
                found.append({"arm": name, "run": when, "other": state, "reason": reason})
    return found
