"""Whether the place or the frequency of an answer gives it away."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.quality.findings import Finding, Severity, asked
from harness.types import Kind, QuestionSet, Task

Z = 2.58
"""Deviation from an even share, in standard errors, that chance leaves in one set of a hundred."""


def findings(task: Task) -> Iterator[Finding]:
    for found in asked(task):
        yield _places(found) if task.kind is Kind.CHOICE else _labels(task, found)


def _places(found: QuestionSet) -> Finding:
    """The most frequent place of the right answer, against even shares over the questions' own choices."""
    places = Counter(row.gold for row in found.rows)
    place, count = places.most_common(1)[0]
    chances = [1 / len(row.question.choices) for row in found.rows if place < len(row.question.choices)]
    expected = sum(chances)
    error = sum(chance * (1 - chance) for chance in chances) ** 0.5
    uneven = count - expected > Z * error
    told = f"the answer stands in place {place + 1} in {count} of {len(found)} questions; {expected:.0f} would be even"
    return Finding("answer places", Severity.SERIOUS if uneven else Severity.FINE, found.name, told)


def _labels(task: Task, found: QuestionSet) -> Finding:
    counts = Counter(row.gold for row in found.rows)
    label, most = counts.most_common(1)[0]
    share = most / len(found)
    missing = len(task.labels) - len(counts)
    told = f"{task.labels[label]!r} is {share:.0%} of {len(found)} questions, the most of {len(counts)} labels"
    if missing:
        told += f"; {missing} never occur"
    uneven = share > 0.5 and len(task.labels) > 1
    return Finding("labels", Severity.NOTICE if uneven or missing else Severity.FINE, found.name, told)
