"""Questions asked twice in nearly the same words: within a side of the line of training, and across it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.keys import digest
from harness.quality.findings import TRAINED, Asked, Finding, Place, Severity, asked, of_pairs
from harness.quality.same import spelt, words
from harness.types import Kind, Task

NEAR = 0.8
"""Jaccard similarity of word trigrams at which two questions are nearly the same."""
SOUGHT = 0.7
"""Similarity for which the index is tuned: lower than `NEAR`, at which it would miss one pair in several."""
PERMUTATIONS = 128


def findings(task: Task) -> Iterator[Finding]:
    everything = [(found.name, row) for found in asked(task) for row in found.rows]
    near = [*_near(everything)]
    if task.kind is Kind.CHOICE:
        near += _other_choices(everything)
    leaks, within = list[tuple[Asked, Asked]](), list[tuple[Asked, Asked]]()
    for one, other in near:
        one_side = (one.set_name in TRAINED) == (other.set_name in TRAINED)
        (within if one_side else leaks).append((one, other))
    yield of_pairs("near-duplicates, trained on and tested", Severity.SERIOUS, leaks)
    yield of_pairs("near-duplicates on one side", Severity.NOTICE, within)


def _near(everything: Sequence[Place]) -> Iterator[tuple[Asked, Asked]]:
    """Pairs above `NEAR`, found by MinHash and verified (Broder 1997, "On the resemblance and containment ...")."""
    from datasketch import MinHash, MinHashLSH

    texts = [words(row.question.text) for _, row in everything]
    shingles = [_shingles(each) for each in texts]
    index = MinHashLSH(threshold=SOUGHT, num_perm=PERMUTATIONS)
    hashes = MinHash.bulk([[part.encode() for part in parts] for parts in shingles], num_perm=PERMUTATIONS)
    seen: set[str] = set()
    for number, hashed in enumerate(hashes):
        for other in index.query(hashed):
            one, two = shingles[number], shingles[other]
            if len(one & two) >= NEAR * len(one | two) and texts[number] != texts[other]:
                yield Asked.at(everything[other]), Asked.at(everything[number])
        key = digest(sorted(shingles[number]))
        if key not in seen:
            index.insert(number, hashed)
            seen.add(key)


def _shingles(words: Sequence[str]) -> set[str]:
    return {" ".join(words[at : at + 3]) for at in range(max(1, len(words) - 2))}


def _other_choices(everything: Sequence[Place]) -> Iterator[tuple[Asked, Asked]]:
    """The same words and the same answer beside other wrong choices: each later one with the first."""
    first: dict[tuple[str, str], Place] = {}
    for place in everything:
        question = place[1].question
        earlier = first.setdefault((spelt(place[1]), question.choices[place[1].gold].casefold()), place)
        if sorted(earlier[1].question.choices) != sorted(question.choices):
            yield Asked.at(earlier), Asked.at(place)
