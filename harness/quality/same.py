"""Questions asked twice in the same words: within a set, across the line of training, and with another answer.

Two passes over the rows that hold eight bytes for each question, so that a run can afford to look at a million.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence

from harness.quality.findings import TRAINED, Asked, Finding, Pairs, Severity, asked_with_twins, of_pairs
from harness.types import Kind, Row, Task

TWINS = "twins"

_WORD = re.compile(r"\w+")


def findings(task: Task) -> Iterator[Finding]:
    leaks, within, between, clashes = (list[tuple[Asked, Asked]]() for _ in range(4))
    for group in _repeated(task):
        trained = [each for each in group if each.set_name in TRAINED]
        tested = [each for each in group if each.set_name not in TRAINED]
        leaks += [(trained[0], each) for each in tested if trained]
        own = [each for each in group if each.set_name != TWINS]
        for answer in {each.answer: None for each in own}:
            alike = [each for each in own if each.answer == answer]
            within += _twice_in_a_set(alike)
            for side in (trained, tested):
                between += _in_two_sets([each for each in alike if each in side])
        clashes += [(own[0], each) for each in own[1:] if each.answer != own[0].answer]
    yield of_pairs("duplicates, trained on and tested", Severity.SERIOUS, leaks)
    yield of_pairs("same question, other answer", Severity.SERIOUS, clashes)
    yield of_pairs("duplicates in a set", Severity.NOTICE, within)
    yield of_pairs("duplicates between sets of one side", Severity.NOTICE, between)


def words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def spelt(row: Row) -> str:
    """The question's words alone; a text that has none is told by its signs."""
    text = row.question.text
    return " ".join(words(text)) or text.strip()


def identity(kind: Kind, row: Row) -> Hashable:
    """Equal where the same is asked. Where questions bring their choices, another list of them asks something else."""
    if kind is Kind.CLASSIFICATION:
        return spelt(row)
    return spelt(row), *sorted(choice.casefold() for choice in row.question.choices)


def _repeated(task: Task) -> list[list[Asked]]:
    """The questions of every identity that occurs more than once, in the order of the sets."""
    import numpy as np

    sets = [*asked_with_twins(task)]
    each = (hash(identity(task.kind, row)) for found in sets for row in found.rows)
    hashes = np.fromiter(each, dtype=np.int64)
    values, counts = np.unique(hashes, return_counts=True)
    often = np.isin(hashes, values[counts > 1])
    groups: dict[Hashable, list[Asked]] = defaultdict(list)
    if often.any():
        numbered = ((found.name, row) for found in sets for row in found.rows)
        for again, (name, row) in zip(often, numbered, strict=True):
            if again:
                answer = row.question.choices[row.gold]
                groups[identity(task.kind, row)].append(Asked(name, row.question.id, answer))
    return [group for group in groups.values() if len(group) > 1]


def _twice_in_a_set(alike: Sequence[Asked]) -> Pairs:
    """Each later one with the first of its set."""
    first: dict[str, Asked] = {}
    return [(first[each.set_name], each) for each in alike if first.setdefault(each.set_name, each) is not each]


def _in_two_sets(alike: Sequence[Asked]) -> Pairs:
    """The first of each later set with the first of all."""
    firsts = list({each.set_name: each for each in reversed(alike)}.values())[::-1]
    return [(firsts[0], each) for each in firsts[1:]]
