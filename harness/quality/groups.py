"""Groups of people too small to compare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from harness.codec import column
from harness.quality.findings import Finding, Severity, counted
from harness.stats import LEAST_GROUP
from harness.types import Task


def findings(task: Task) -> Iterator[Finding]:
    """Of the set that groups are compared on: the twins where there are any, else the test set."""
    found = task.twins if task.twins is not None else task.test
    for group in task.groups:
        sizes = Counter(groups[group] for groups in column(found.rows, "groups") if group in groups)
        small = sorted((size, value) for value, size in sizes.items() if size < LEAST_GROUP)
        told = f"the smallest of {counted(len(sizes), 'value')} has {counted(min(sizes.values()), 'question')}"
        if small:
            told = f"fewer than {LEAST_GROUP} questions: " + ", ".join(f"{value} {size}" for size, value in small)
        severity = Severity.NOTICE if small else Severity.FINE
        yield Finding(f"size of groups, {group}", severity, found.name, told, (), len(small))
