"""Questions asked twice, in the same or nearly the same words: within a set, and across the line of training."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.keys import digest
from harness.quality.findings import Finding, Severity, asked
from harness.types import Question, Row, Task

NEAR = 0.8
"""Jaccard similarity of word trigrams at which two questions are nearly the same."""
PERMUTATIONS = 128
EXAMPLES = 3
TRAINED = ("train", "validation")


@dataclass(frozen=True, slots=True)
class _Asked:
    set_name: str
    row: Row


def findings(task: Task) -> Iterator[Finding]:
    everything = [_Asked(found.name, row) for found in asked(task) for row in found.rows]
    same = _same(everything)
    near = [pair for pair in _near(everything) if _text(pair[0]) != _text(pair[1])]
    for check, pairs in (("duplicates", same), ("near-duplicates", near)):
        leaks = [pair for pair in pairs if _crosses(pair)]
        within = [pair for pair in pairs if not _crosses(pair)]
        yield _finding(f"{check}, trained on and tested", leaks, Severity.SERIOUS)
        yield _finding(f"{check} on one side", within, Severity.NOTICE)
    clashes = [pair for pair in same if _answer(pair[0]) != _answer(pair[1])]
    yield _finding("same question, other answer", clashes, Severity.SERIOUS)


def _finding(check: str, pairs: Sequence[tuple[_Asked, _Asked]], bad: Severity) -> Finding:
    sets = sorted({asked.set_name for pair in pairs for asked in pair})
    examples = tuple(f"{a.row.question.id} = {b.row.question.id}" for a, b in pairs[:EXAMPLES])
    severity = bad if pairs else Severity.FINE
    return Finding(check, severity, ", ".join(sets) or "all", f"{len(pairs)} pairs", examples)


def _crosses(pair: tuple[_Asked, _Asked]) -> bool:
    one, other = (asked.set_name in TRAINED for asked in pair)
    return one != other


def _words(question: Question) -> list[str]:
    return re.findall(r"\w+", question.text.casefold())


def _text(asked: _Asked) -> str:
    return " ".join(_words(asked.row.question))


def _answer(asked: _Asked) -> str:
    return asked.row.question.choices[asked.row.gold]


def _same(everything: Sequence[_Asked]) -> list[tuple[_Asked, _Asked]]:
    """Each later question with the first of the same words."""
    groups: dict[str, list[_Asked]] = defaultdict(list)
    for asked_ in everything:
        groups[_text(asked_)].append(asked_)
    return [(group[0], other) for group in groups.values() for other in group[1:]]


def _near(everything: Sequence[_Asked]) -> Iterator[tuple[_Asked, _Asked]]:
    """Pairs above `NEAR`, found by MinHash and verified (Broder 1997, "On the resemblance and containment ...")."""
    from datasketch import MinHash, MinHashLSH

    shingles = [_shingles(asked_.row.question) for asked_ in everything]
    index = MinHashLSH(threshold=NEAR, num_perm=PERMUTATIONS)
    hashes = MinHash.bulk([[part.encode() for part in parts] for parts in shingles], num_perm=PERMUTATIONS)
    seen: set[str] = set()
    for number, hashed in enumerate(hashes):
        key = digest(sorted(shingles[number]))
        for other in index.query(hashed):
            one, two = shingles[number], shingles[other]
            if len(one & two) >= NEAR * len(one | two):
                yield everything[other], everything[number]
        if key not in seen:
            index.insert(number, hashed)
            seen.add(key)


def _shingles(question: Question) -> set[str]:
    words = _words(question)
    return {" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))}
