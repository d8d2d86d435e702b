"""What every task must do: inherit `TaskKit`, name the spec, run pytest."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import ClassVar

import pytest

from harness.contracts import TaskSpec
from harness.quality import Severity, check
from harness.taskfile import load_task
from harness.types import QuestionSet, Task


class TaskKit:
    """Inherit it and set `spec`; its data must lie beside its `task.toml`, or in `data`."""

    spec: ClassVar[TaskSpec]
    data: ClassVar[Path | None] = None
    accepted: ClassVar[frozenset[str]] = frozenset()
    """Serious findings of `harness task check` that are told in the task's own description."""

    @pytest.fixture
    def task(self) -> Task:
        return load_task(self.spec.path, self.data)

    def test_it_loads_and_says_what_it_is(self, task: Task) -> None:
        assert task.name == self.spec.name, f"the task calls itself {task.name!r}, the spec {self.spec.name!r}"
        assert task.description.strip(), "it has no description"
        assert task.licence.strip(), "it names no licence"
        assert len(task.test), "there is nothing to ask"

    def test_its_check_finds_nothing_serious(self, task: Task) -> None:
        serious = [f for f in check(task) if f.severity is Severity.SERIOUS and f.check not in self.accepted]
        assert not serious, "; ".join(f"{found.check}, {found.where}: {found.told}" for found in serious)

    def test_its_sets_are_disjoint(self, task: Task) -> None:
        """No question is in two sets; twins are the same question asked about other people."""
        sets = [found for found in (task.train, task.validation, task.test, *task.extra_tests.values()) if found]
        for first, second in combinations(sets, 2):
            ids = {row.question.id for row in first.rows} & {row.question.id for row in second.rows}
            assert not ids, f"{first.name} and {second.name} share the ids {', '.join(sorted(ids)[:5])}"
            both = sorted(_texts(first) & _texts(second))
            assert not both, f"{first.name} and {second.name} both ask {both[0][0]!r} ({len(both)} in all)"

    def test_every_answer_can_be_given(self, task: Task) -> None:
        for found in (task.train, task.validation, *task.question_sets.values()):
            for row in found.rows if found else ():
                assert 0 <= row.gold < len(row.question.choices), f"{found and found.name}: {row.question.id}"


def _texts(found: QuestionSet) -> set[tuple[str, tuple[str, ...]]]:
    return {(" ".join(row.question.text.casefold().split()), row.question.choices) for row in found.rows}
