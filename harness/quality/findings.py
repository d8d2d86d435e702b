"""All checks of a task's content together, worst first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from harness.types import Kind, QuestionSet, Row, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Embed = Callable[[Sequence[str]], "npt.NDArray[np.float32]"]
"""Texts -> unit vectors of a frozen encoder, float32 [n, d]."""

MOST_EXAMPLES = 1_000
"""So many ids are listed; `count` tells how many there are."""
TRAINED = ("train", "validation")


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
    """Ids of questions that show it, most telling first; of pairs as `a = b`. Never their text."""
    count: int = 0
    """Questions, pairs or groups that show it; 0 where the figure is no count."""


Place = tuple[str, Row]
"""The name of a set, and a row of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a finding may know of a question."""

    set_name: str
    id: str
    answer: str = ""

    @classmethod
    def at(cls, place: Place) -> Asked:
        return cls(place[0], place[1].question.id)


Pairs = Sequence[tuple[Asked, Asked]]


def check(task: Task, embed: Embed | None = None, most_tokens: int | None = None) -> list[Finding]:
    """Findings, serious ones first; without an encoder, what only vectors show is not looked for.

    `most_tokens` is what the encoder reads of a text, where that is known.
    """
    from harness.quality import balance, duplicates, groups, label_errors, personal, same, semantic, shortcuts, texts

    found = [*balance.findings(task), *same.findings(task), *duplicates.findings(task)]
    found += [*texts.findings(task, most_tokens), *groups.findings(task), *personal.findings(task)]
    if task.kind is Kind.CHOICE:
        found += shortcuts.findings(task, embed)
    else:
        found += label_errors.findings(task)
    if embed is not None:
        found.append(semantic.finding(task, embed))
    return _worst_first(found)


def serious_at_once(task: Task) -> list[Finding]:
    """What a run tells of its task: serious findings that need no model and well below 0.1 ms a question."""
    from harness.quality import balance, same

    places = balance.findings(task) if task.kind is Kind.CHOICE else ()
    return [found for found in (*same.findings(task), *places) if found.severity is Severity.SERIOUS]


def _worst_first(found: Iterable[Finding]) -> list[Finding]:
    order = list(Severity)
    return sorted(found, key=lambda finding: order.index(finding.severity))


def asked(task: Task) -> Iterator[QuestionSet]:
    """The sets that stand for themselves; twins repeat their questions on purpose."""
    for found in (task.train, task.validation, task.test, *task.extra_tests.values()):
        if found is not None:
            yield found


def asked_with_twins(task: Task) -> Iterator[QuestionSet]:
    yield from asked(task)
    if task.twins is not None:
        yield task.twins


def of_rows(check: str, severity: Severity, rows: Sequence[Asked], told: str) -> Finding:
    """A finding about questions; `FINE` if there is none."""
    examples = tuple(row.id for row in rows[:MOST_EXAMPLES])
    return Finding(check, severity if rows else Severity.FINE, _sets(rows), told, examples, len(rows))


def of_pairs(check: str, severity: Severity, pairs: Pairs, told: str = "") -> Finding:
    examples = tuple(f"{a.id} = {b.id}" for a, b in pairs[:MOST_EXAMPLES])
    where = _sets([each for pair in pairs for each in pair])
    told = told or counted(len(pairs), "pair")
    return Finding(check, severity if pairs else Severity.FINE, where, told, examples, len(pairs))


def _sets(rows: Iterable[Asked]) -> str:
    return ", ".join(sorted({row.set_name for row in rows})) or "all"


def counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"
