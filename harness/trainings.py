"""What a control or a learning curve trains on instead of a task's own training questions.

Only training and validation questions are changed: what is asked stays, so that figures compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.codec import column, packed
from harness.keys import digest, digest_all
from harness.request import PERMUTED, share
from harness.sampling import part
from harness.types import QuestionSet, Row, Task

SALT = 20_261_125
"""Of every draw here: the same task gives the same subsets and permutations on every machine."""


@dataclass(frozen=True, slots=True)
class Training:
    """A task's questions to train and to validate on, changed."""

    name: str
    """Of the size or the control: `10%`, `permuted`."""
    train: QuestionSet
    validation: QuestionSet | None
    seed: int | None = None
    """Of the one cell of an arm that is trained on it; None: one cell for every seed of the arm."""

    @property
    def id(self) -> str:
        """Differs from that of any other of the run."""
        return self.name if self.seed is None else f"{self.name} {self.seed}"

    def of(self, task: Task) -> Task:
        return replace(task, train=self.train, validation=self.validation)


def sized(task: Task, sizes: Sequence[str]) -> list[Training]:
    """One for every size, the least first; [] without training questions.

    Clusters are kept whole, in an order that a hash of their names draws: a smaller size is part of every larger one,
    and 100% is the task's own training set. So many clusters are kept as the share says, rounded, and one at least.
    """
    if task.train is None:
        return []
    named = {share(size): f"{100 * share(size):g}%" for size in sizes}
    return [Training(name, subset(task.train, kept), task.validation) for kept, name in sorted(named.items())]


def subset(found: QuestionSet, kept: float) -> QuestionSet:
    """This share of the clusters; rows keep their order."""
    if kept == 1:
        return found
    order = sorted(set(column(found.rows, "cluster")), key=lambda name: digest([SALT, "size", name]))
    chosen = set(order[: max(1, round(kept * len(order)))])
    if len(chosen) == len(order):
        return found
    return part(found, lambda row: row.cluster in chosen)


def permuted(task: Task, seeds: Sequence[int]) -> list[Training]:
    """For every seed one permutation of what training and validation questions are answered by."""
    if task.train is None:
        return []
    found = []
    for seed in seeds:
        labels = bool(task.labels)
        validation = None if task.validation is None else _permuted(task.validation, seed, labels)
        found.append(Training(PERMUTED, _permuted(task.train, seed, labels), validation, seed))
    return found


def _permuted(found: QuestionSet, seed: int, labels: bool) -> QuestionSet:
    """Labels change places among all rows. Where questions bring their own choices, all choices of a row go to another
    question, and one of them, drawn evenly, is called right.

    To draw another right choice of the same question would not do: a fact's right answer is among the choices of each
    of its wordings, so it would be drawn more often than any wrong one, and be learnt.
    """
    generator = np.random.default_rng([SALT, seed])
    places = generator.permutation(len(found))
    golds = column(found.rows, "gold")
    options = [] if labels else [row.question.choices for row in found.rows]

    def answered(row: Row, place: int) -> Row:
        if labels:
            return replace(row, gold=golds[place])
        drawn = int(generator.integers(len(options[place])))
        return replace(row, question=replace(row.question, choices=options[place]), gold=drawn)

    rows = packed(answered(row, int(place)) for row, place in zip(found.rows, places, strict=True))
    content = digest_all([row.question.id, list(row.question.choices), row.gold] for row in rows)
    return QuestionSet(found.name, rows, digest([found.fingerprint, PERMUTED, content]))


def asked(task: Task, sizes: Sequence[str], controls: Sequence[str], seeds: Sequence[int]) -> list[Training]:
    """All that a run trains on beside the task's own questions, each once."""
    found = [each for each in sized(task, sizes) if task.train and each.train.fingerprint != task.train.fingerprint]
    unlike = {each.train.fingerprint: each for each in reversed(found)}
    return [*reversed(unlike.values()), *(permuted(task, seeds) if PERMUTED in controls else ())]


def described(task: Task, sizes: Sequence[str]) -> list[dict[str, Any]] | None:
    """Of every size, and of 100%: `size`, training `rows` and `clusters`, and the `training` that cells of that size
    have (``""`` is the task's own). None where no size is asked for.
    """
    if not sizes:
        return None
    ids: dict[str, str] = {} if task.train is None else {task.train.fingerprint: ""}
    return [
        {
            "size": each.name,
            "rows": len(each.train),
            "clusters": len(set(column(each.train.rows, "cluster"))),
            "training": ids.setdefault(each.train.fingerprint, each.id),
        }
        for each in sized(task, [*sizes, "100%"])
    ]
