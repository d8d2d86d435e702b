"""All checks of a task's content together, worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.types import Kind, QuestionSet, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Embed = Callable[[Sequence[str]], "npt.NDArray[np.float32]"]
"""Texts -> unit vectors of a frozen encoder, float32 [n, d]."""


class Severity(StrEnum):
    SERIOUS = "serious"
    """A result on this task means something else than it seems to."""
    NOTICE = "notice"
    FINE = "fine"
    """Looked for, measured and not found: the figure stands for itself."""


@dataclass(frozen=True, slots=True)
class Finding:
    check: str
    severity: Severity
    where: str
    """The question set or sets."""
    told: str
    """One sentence with the figures."""
    examples: tuple[str, ...] = ()
    """Ids of at most a few questions that show it."""


def check(task: Task, embed: Embed | None = None) -> list[Finding]:
    """Findings, serious ones first; without an encoder, what only vectors show is not looked for."""
    from harness.quality import balance, duplicates, shortcuts

    found = [*balance.findings(task), *duplicates.findings(task)]
    if task.kind is Kind.CHOICE:
        found += shortcuts.findings(task, embed)
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def asked(task: Task) -> Iterator[QuestionSet]:
    """The sets that stand for themselves; twins repeat their questions on purpose."""
    for found in (task.train, task.validation, task.test, *task.extra_tests.values()):
        if found is not None:
            yield found
