"""Which rows of a task a run uses: fewer of each set where asked, by whole clusters, and the sets that are asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from harness.codec import column, packed
from harness.errors import UsageError
from harness.keys import digest, digest_all
from harness.types import QuestionSet, Row, Task

SAMPLE_ROWS = 2_000
"""At most this many training and validation rows are asked for the overfitting gap."""


def limited(task: Task, limit: int | None, per_label: int | None = None) -> Task:
    """The task with at most `limit` rows per set, chosen by whole clusters (twins: whole twin sets).

    `per_label` leaves so many rows of each label to train and to validate on; test sets stay whole.
    """
    if per_label is not None and not task.labels:
        raise UsageError(
            f"--per-label needs a task with labels; the questions of {task.name!r} bring their own choices"
        )
    if limit is None and per_label is None:
        return task

    def few(found: QuestionSet | None) -> QuestionSet | None:
        return found if found is None or per_label is None else of_each_label(found, per_label)

    def cut(found: QuestionSet | None) -> QuestionSet | None:
        return found if found is None or limit is None else sample(found, limit)

    def kept(found: QuestionSet) -> QuestionSet:
        return found if limit is None else sample(found, limit)

    twins, within = cut(task.twins), task.within_twins
    if twins is not None and within is not None:
        paired = set(column(twins.rows, "twin"))
        within = part(within, lambda row: row.twin in paired)
    return replace(
        task,
        train=cut(few(task.train)),
        validation=cut(few(task.validation)),
        test=kept(task.test),
        extra_tests={name: kept(found) for name, found in task.extra_tests.items()},
        twins=twins,
        within_twins=within,
        suites={name: kept(found) for name, found in task.suites.items()},
        fingerprint=digest([task.fingerprint, limit, per_label]),
    )


def of_each_label(found: QuestionSet, most: int) -> QuestionSet:
    """At most `most` rows of each label, in an order that depends on their ids alone; rows keep their order."""
    counts: Counter[int] = Counter()
    kept = set()
    named = [(row.question.id, row.gold) for row in found.rows]
    for id, gold in sorted(named, key=lambda row: digest(["sample", row[0]])):
        counts[gold] += 1
        if counts[gold] <= most:
            kept.add(id)
    return part(found, lambda row: row.question.id in kept)


def sample(found: QuestionSet, most: int) -> QuestionSet:
    """At most `most` rows, by whole clusters in an order that depends on their names alone.

    A cluster is cut only if it alone is larger than `most`; rows keep their order.
    """
    if len(found) <= most:
        return found
    tied = Counter(map(_tied, found.rows))
    kept, rows = set(), 0
    for name in sorted(tied, key=lambda cluster: digest(["sample", cluster])):
        if rows + tied[name] <= most:
            kept.add(name)
            rows += tied[name]
    if not kept:
        first = {row.question.id for row in found.rows[:most]}
        return part(found, lambda row: row.question.id in first)
    return part(found, lambda row: _tied(row) in kept)


def _tied(row: Row) -> str:
    """What stays together in a sample."""
    return row.twin or row.cluster


def part(found: QuestionSet, kept: Callable[[Row], bool]) -> QuestionSet:
    """The rows that are kept, in their order, under a fingerprint of their own."""
    rows = packed(filter(kept, found.rows))
    return QuestionSet(found.name, rows, digest([found.fingerprint, digest_all(row.question.id for row in rows)]))


def asked_sets(task: Task) -> dict[str, QuestionSet]:
    sets = dict(task.question_sets)
    for name, found in (("train", task.train), ("validation", task.validation)):
        if found is not None:
            sets[f"{name}_sample"] = sample(found, SAMPLE_ROWS)
    return sets
