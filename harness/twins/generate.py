"""A task -> the same task with twins: across groups, where it brings none, and within one, for the noise of names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from harness.codec import packed
from harness.errors import UsageError, unknown
from harness.keys import digest, digest_all
from harness.twins.swap import Ambiguous, Groups, Person, names_in_twins, persons, renamed
from harness.twins.words import NAMES
from harness.types import QuestionSet, Row, Task, Text

KINDS = ("names", "pronouns", "origins", "ages")
WITHIN = "within_twins"


def with_twins(task: Task, kinds: Sequence[str]) -> Task:
    """Twins of its test questions by these kinds, the first that fits a question; and, of names, sets of as many people
    of one group, whose flips are those that any other name brings about.

    A task that brings its own twins keeps them and gets the second alone. Raises `UsageError` if nothing can be made.
    """
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(unknown("--twins value", kind, KINDS))
    if not kinds:
        return task
    if task.twins is not None:
        if "names" not in kinds:
            raise UsageError(f"task {task.name!r} brings its own twins; --twins names adds swaps within their groups")
        across, within = None, list(_within_own(task.twins.rows))
    else:
        across, within = list[Row](), list[Row]()
        for row in task.test.rows:
            made = _twins(row, kinds)
            across += made[0]
            within += made[1]
        if not across:
            raise UsageError(
                f"--twins {','.join(kinds)}: no test question of {task.name!r} mentions a person who can be swapped"
            )
    added = {} if across is None else {"twins": _set("twins", across)}
    if within:
        added[WITHIN] = _set(WITHIN, within)
    if not added:
        raise UsageError(
            f"--twins names: the twins of {task.name!r} do not differ in a name alone, or have too few names"
        )
    told = {group for row in across or () for group in row.groups}
    return replace(
        task,
        twins=added.get("twins", task.twins),
        within_twins=added.get(WITHIN),
        groups=(*task.groups, *sorted(told - {*task.groups})),
        fingerprint=digest([task.fingerprint, {name: found.fingerprint for name, found in added.items()}]),
    )


def _set(name: str, rows: Sequence[Row]) -> QuestionSet:
    told = ((row.question.id, row.question.text, row.question.choices, row.gold, dict(row.groups)) for row in rows)
    return QuestionSet(name, packed(rows), digest_all(told))


def _twins(row: Row, kinds: Sequence[str]) -> tuple[list[Row], list[Row]]:
    """Members across groups, the question itself among them, and as many of its own group by other names."""
    for person in persons(kinds, row.question.text):
        if _in_choices(row, person):
            continue
        try:
            across = [_member(row, person, groups, _name(row, groups, person)) for groups in person.others]
        except Ambiguous:
            continue
        names = _others(row, NAMES[_cell(person.groups)], person.name) if person.name else []
        within = [_member(row, person, person.groups, name) for name in [person.name, *names]] if names else []
        return list(_numbered(row, across)), list(_numbered(row, within[: len(across)], "same"))
    return [], []


def _in_choices(row: Row, person: Person) -> bool:
    """Whether a choice speaks of the person too: it would have to change with the question."""
    choices = row.question.choices
    if person.name is None:
        return any(next(persons(KINDS, choice), None) for choice in choices)
    return any(person.name in choice or next(persons(("pronouns",), choice), None) for choice in choices)


def _cell(groups: Groups) -> tuple[str, str]:
    return groups["gender"], groups["origin"]


def _name(row: Row, groups: Groups, person: Person) -> str | None:
    """The person's own in the own group; elsewhere the one that the question's id draws."""
    if person.name is None or groups == person.groups:
        return person.name
    return _others(row, NAMES[_cell(groups)], None)[0]


def _others(row: Row, names: Sequence[str], but: str | None) -> list[str]:
    """In an order that depends on the question alone."""
    return sorted((name for name in names if name != but), key=lambda name: digest([row.twin or row.question.id, name]))


def _member(row: Row, person: Person, groups: Groups, name: str | None) -> Row:
    content = tuple(Text(person.swap(part.text, groups, name)) for part in row.question.content)
    return replace(row, question=replace(row.question, content=content), groups={**row.groups, **groups})


def _numbered(row: Row, members: Sequence[Row], mark: str = "twin") -> Iterator[Row]:
    id = row.twin or row.question.id
    for number, member in enumerate(members):
        yield replace(member, question=replace(member.question, id=f"{id}.{mark}.{number}"), twin=id)


def _within_own(twins: Sequence[Row]) -> Iterator[Row]:
    """Of each twin set whose members differ in one name: one member, and the names that the task itself uses elsewhere
    for the same groups. Sets for which there are too few names to be as many people are left out.
    """
    sets: dict[str, list[Row]] = defaultdict(list)
    for row in twins:
        if row.twin is not None and row.groups:
            sets[row.twin].append(row)
    named = {twin: found for twin, rows in sets.items() if (found := _named(rows))}
    pools: dict[str, set[str]] = defaultdict(set)
    for twin, names in named.items():
        for row, name in zip(sets[twin], names, strict=True):
            pools[_key(row.groups)].add(name)
    for twin, names in named.items():
        rows = sets[twin]
        place = min(range(len(rows)), key=lambda place: digest([twin, _key(rows[place].groups)]))
        row, name = rows[place], names[place]
        others = _others(row, sorted(pools[_key(row.groups)]), name)
        if len(others) + 1 >= len(rows):
            members = (_renamed(row, name, other) for other in [name, *others][: len(rows)])
            yield from _numbered(row, list(members), "same")


def _named(rows: Sequence[Row]) -> list[str] | None:
    return names_in_twins([row.question.text for row in rows]) if len(rows) > 1 else None


def _key(groups: Mapping[str, str]) -> str:
    return digest(dict(groups))


def _renamed(row: Row, name: str, other: str) -> Row:
    content = tuple(Text(renamed(part.text, name, other)) for part in row.question.content)
    return replace(row, question=replace(row.question, content=content))
