"""What each kind of task means: how a row is read. No other module branches on the kind of a row."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.types import Kind

MAX_SHOWN = 60
MAX_DIGITS = 9
"""An index of more digits is no index; `int` refuses thousands of them with an error of its own."""

Columns = str | Sequence[str]
"""The column that holds a list of choices, or the columns that hold one choice each."""


class RowFault(ValueError):
    """One row cannot be used; the text says why."""


class UnknownLabel(RowFault):
    """The answer of a row is none of the task's labels."""


@dataclass(frozen=True, slots=True)
class KindSpec:
    kind: Kind
    columns: tuple[str, ...]
    has_labels: bool
    """Whether all rows choose among the task's labels; else each row brings its own choices."""
    read_choices: Callable[[Mapping[str, Any], Columns], tuple[str, ...]]
    read_answer: Callable[[Mapping[str, Any], str, Sequence[str], Columns, bool], int]
    """(values, column of the answer, choices or labels, columns of the choices, all values are text) -> gold"""
    primary: str


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = MAX_SHOWN
_SHORT.maxlevel = 3


def shown(value: Any) -> str:
    """A value as a message quotes it: short, however large or deep it is."""
    if isinstance(value, str):
        return repr(value if len(value) <= MAX_SHOWN else value[: MAX_SHOWN - 1] + "…")
    text = _SHORT.repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


_WORDS = {
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    dict: "an object",
    bytes: "bytes",
    type(None): "nothing",
}


def what(value: Any) -> str:
    """The type of a value in a user's words."""
    return _WORDS.get(type(value), f"a {type(value).__name__}")


def _choices(values: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    if isinstance(columns, str):
        choices = values.get(columns)
        if not isinstance(choices, list) or len(choices) < 2:
            raise RowFault(f"{columns} must be a list of at least two texts, got {shown(choices)}")
        if not all(isinstance(choice, str) and choice.strip() for choice in choices):
            raise RowFault(f"{columns} must hold texts only, none empty")
        named = columns
    else:
        choices = [_cell(values, column) for column in columns if not _is_empty(values.get(column))]
        named = ", ".join(columns)
        if len(choices) < 2:
            raise RowFault(f"{named} must hold at least two choices, got {len(choices)}")
    if len(set(choices)) != len(choices):
        raise RowFault(f"{named} repeats a choice")
    return tuple(choices)


def _is_empty(value: Any) -> bool:
    """A cell without a choice; NaN is how Parquet files written by pandas leave a number out."""
    return value is None or value != value or (isinstance(value, str) and not value.strip())


def _cell(values: Mapping[str, Any], column: str) -> str:
    value = values[column]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowFault(f"{column} must be text, got {what(value)}")
    return str(value)


def _no_choices(values: Mapping[str, Any], columns: Columns) -> tuple[str, ...]:
    return ()


def _index(
    values: Mapping[str, Any], column: str, choices: Sequence[str], columns: Columns, only_text: bool = False
) -> int:
    """A choice's gold: its 0-based index, or its text. In CSV and TSV an index is text too."""
    answer = values.get(column)
    if isinstance(answer, str) and answer in choices:
        return list(choices).index(answer)
    if only_text and isinstance(answer, str) and len(answer.strip()) <= MAX_DIGITS and answer.strip().isdecimal():
        answer = int(answer)
    if isinstance(answer, int) and not isinstance(answer, bool):
        # An index counts the columns, where choices have their own: an empty cell moves no other choice.
        places = range(len(choices)) if isinstance(columns, str) else _filled(values, columns)
        count = len(choices) if isinstance(columns, str) else len(columns)
        if not 0 <= answer < count:
            raise RowFault(f"{column} {shown(answer)} is outside the {count} choices (0 to {count - 1})")
        if answer not in places:
            raise RowFault(f"{column} {answer} is the choice of column {columns[answer]!r}, which is empty")
        return list(places).index(answer)
    if _is_empty(answer):
        raise RowFault(f"{column} is empty; it must be a choice or its index")
    raise RowFault(f"{column} {shown(answer)} is none of the choices")


def _filled(values: Mapping[str, Any], columns: Columns) -> list[int]:
    return [place for place, column in enumerate(columns) if not _is_empty(values.get(column))]


def _label(
    values: Mapping[str, Any], column: str, labels: Sequence[str], columns: Columns = (), only_text: bool = False
) -> int:
    label = as_label(values.get(column))
    if label is None:
        if _is_empty(values.get(column)):
            raise RowFault(f"{column} is empty; it must be a label")
        raise RowFault(f"{column} must be a label, got {shown(values.get(column))}")
    if label not in labels:
        raise UnknownLabel(f"{column} {shown(label)} is none of the {len(labels)} labels")
    return labels.index(label)


def as_label(answer: Any) -> str | None:
    """The label that an answer names; None for what can be none."""
    if isinstance(answer, bool) or not isinstance(answer, str | int) or answer == "":
        return None
    return str(answer)


KINDS: Mapping[str, KindSpec] = {
    Kind.CLASSIFICATION: KindSpec(Kind.CLASSIFICATION, ("question", "answer"), True, _no_choices, _label, "accuracy"),
    Kind.CHOICE: KindSpec(Kind.CHOICE, ("question", "choices", "answer"), False, _choices, _index, "accuracy"),
}
