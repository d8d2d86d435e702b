"""The columns that a task names and the sets that need them: a misspelt name must not switch a check off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from harness.kinds import shown
from harness.taskfile.files import Table
from harness.taskfile.header import Header
from harness.taskfile.schema import TaskFile

DOCUMENT = ("id", "text", "title")
MOST_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Need:
    key: tuple[str, ...]
    """Where `task.toml` names the column."""
    column: str
    sets: Sequence[str]
    each_row: bool = True
    """Whether every row must have it; else it may lack in some, but not in all."""


def needs(spec: TaskFile) -> Iterator[Need]:
    every = [name for name in spec.files if name != "documents"]
    fields, bias = spec.fields, spec.bias
    for key in ("question", "choices", "answer", "id", "cluster"):
        named = getattr(fields, key)
        for column in [named] if isinstance(named, str) else named or ():
            yield Need(("fields", key), column, every)
    if fields.together:
        yield Need(("fields", "together"), fields.together, [name for name in every if name != "twins"])
    for name, column in spec.disjoint_by.items():
        trained = [split for split in ("train", "validation") if split in every]
        yield Need((*spec.key_of(name), "disjoint_by"), column, [name, *trained])
    if bias.twins:
        yield Need(("bias", "twins"), bias.twins, ["twins"])
    if fields.evidence:
        yield Need(("fields", "evidence"), fields.evidence, ["test", *spec.data.extra_tests], each_row=False)
    for group in bias.groups:  # measured on the twins where there are any, else on the test set
        yield Need(("bias", "groups"), group, ["twins" if spec.data.twins else "test"], each_row=False)


def of_each_row(spec: TaskFile, set_name: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(need.column for need in needs(spec) if need.each_row and set_name in need.sets))


def absent(header: Header, tables: Mapping[str, Table], faults: list[str]) -> set[str]:
    """Tell every column that no row of a set has, once; returns the sets whose rows cannot be read for it."""
    unreadable = set()
    spec = header.spec
    for need in needs(spec):
        for name in need.sets:
            table = tables.get(name)
            if table is None or not table.count or need.column in table.columns:
                continue
            if need.key == ("fields", "choices") and _cannot_list(spec, table):
                continue
            faults.append(
                f"{header.place(*need.key)}: {'.'.join(need.key)}: no row of {table.name} has a column "
                f"{shown(need.column)}; its columns are {listed(table.columns)}"
            )
            if need.each_row:
                unreadable.add(name)
    for name, table in tables.items():
        if _cannot_list(spec, table):
            faults.append(
                f"{header.place('fields', 'choices')}: fields.choices: {table.name}: "
                'choices in CSV or TSV: name one column per choice, choices = ["a", "b"]'
            )
            unreadable.add(name)
    return unreadable


def _cannot_list(spec: TaskFile, table: Table) -> bool:
    """Whether the choices are to be lists, which a file of texts cannot hold."""
    return isinstance(spec.fields.choices, str) and table.only_text


def listed(columns: Sequence[str]) -> str:
    more = f" and {len(columns) - MOST_SHOWN} more" if len(columns) > MOST_SHOWN else ""
    return ", ".join(map(shown, columns[:MOST_SHOWN])) + more
