"""What each kind of task means: how a row is read. No other module branches on the kind of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.types import Kind


class RowFault(ValueError):
    """One row cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class KindSpec:
    kind: Kind
    columns: tuple[str, ...]
    has_labels: bool
    """Whether all rows choose among the task's labels; else each row brings its own choices."""
    read_choices: Callable[[Mapping[str, Any], str], tuple[str, ...]]
    read_answer: Callable[[Mapping[str, Any], str, Sequence[str]], int]
    primary: str


def _choices(values: Mapping[str, Any], column: str) -> tuple[str, ...]:
    choices = values.get(column)
    if not isinstance(choices, list) or len(choices) < 2:
        raise RowFault(f"{column} must be a list of at least two texts")
    if not all(isinstance(choice, str) and choice.strip() for choice in choices):
        raise RowFault(f"{column} must hold texts only, none empty")
    if len(set(choices)) != len(choices):
        raise RowFault(f"{column} repeats a choice")
    return tuple(choices)


def _no_choices(values: Mapping[str, Any], column: str) -> tuple[str, ...]:
    return ()


def _index(values: Mapping[str, Any], column: str, choices: Sequence[str]) -> int:
    """A choice's gold: its 0-based index, or its text."""
    answer = values.get(column)
    if isinstance(answer, int) and not isinstance(answer, bool):
        if 0 <= answer < len(choices):
            return answer
        raise RowFault(f"{column} {answer} is outside the {len(choices)} choices (0 to {len(choices) - 1})")
    if isinstance(answer, str) and answer in choices:
        return list(choices).index(answer)
    raise RowFault(f"{column} {answer!r} is none of the choices")


def _label(values: Mapping[str, Any], column: str, labels: Sequence[str]) -> int:
    answer = values.get(column)
    if isinstance(answer, bool) or not isinstance(answer, str | int) or answer == "":
        raise RowFault(f"{column} must be a label, got {answer!r}")
    if str(answer) not in labels:
        raise RowFault(f"{column} {answer!r} is none of the {len(labels)} labels")
    return labels.index(str(answer))


KINDS: Mapping[str, KindSpec] = {
    Kind.CLASSIFICATION: KindSpec(Kind.CLASSIFICATION, ("question", "answer"), True, _no_choices, _label, "accuracy"),
    Kind.CHOICE: KindSpec(Kind.CHOICE, ("question", "choices", "answer"), False, _choices, _index, "accuracy"),
}
