"""Test questions of other tasks beside a task's own: asked of its adaptations, never trained on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.errors import UsageError
from harness.keys import digest
from harness.types import QuestionSet, Task


def with_suites(task: Task, suites: Sequence[Task]) -> tuple[Task, dict[str, str]]:
    """The task with the test sets of others to ask, and of those that no arm can answer, why: set name -> reason.

    Raises `UsageError` for two suites of one name.
    """
    asked, unasked = dict[str, QuestionSet](), dict[str, str]()
    for suite in suites:
        name = f"suite_{suite.name.replace('-', '_')}"
        if name in asked or name in unasked or name in task.question_sets:
            raise UsageError(f"--suite names {suite.name!r} twice, or the task has a set {name!r}; leave one out")
        if task.labels and suite.labels != task.labels:
            unasked[name] = (
                f"arms of {task.name!r} choose among its labels and cannot answer questions with other choices"
            )
            continue
        asked[name] = replace(suite.test, name=name)
    if not asked:
        return task, unasked
    told = {name: found.fingerprint for name, found in asked.items()}
    return replace(task, suites=asked, fingerprint=digest([task.fingerprint, told])), unasked
