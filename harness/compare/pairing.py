"""Which questions of two question sets are the same, so that answers to them can be compared in pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.keys import digest
from harness.stats import Ints
from harness.types import QuestionSet


@dataclass(frozen=True, slots=True)
class Paired:
    then: Ints
    """Places of the questions that are in both sets, in the earlier one: [n]."""
    now: Ints
    """Of the same questions in the later one: [n], ascending."""
    by: str
    """`fingerprint`: the sets are the same; `id`: rows were looked up by their ids."""
    only_then: tuple[str, ...] = ()
    """Ids of questions that are in the earlier set alone."""
    only_now: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    """Ids that both sets have, of questions that are not the same."""


def paired(then: QuestionSet, now: QuestionSet, labelled: bool) -> Paired:
    """Questions with the same id are the same if they have the same text, gold answer and choices.

    Choices may stand in another order. Where all rows are `labelled` by the task's own labels, those are no part of a
    question: a task may have got another.
    """
    if then.fingerprint == now.fingerprint:
        places = np.arange(len(now), dtype=np.int64)
        return Paired(places, places, "fingerprint")
    known = {id: (place, content) for place, (id, content) in enumerate(_contents(then, labelled))}
    places_then, places_now, only_now, changed = [], [], [], []
    seen = set()
    for place, (id, content) in enumerate(_contents(now, labelled)):
        seen.add(id)
        if id not in known:
            only_now.append(id)
        elif known[id][1] != content:
            changed.append(id)
        else:
            places_then.append(known[id][0])
            places_now.append(place)
    only_then = (id for id in known if id not in seen)
    return Paired(
        np.array(places_then, dtype=np.int64),
        np.array(places_now, dtype=np.int64),
        "id",
        tuple(only_then),
        tuple(only_now),
        tuple(changed),
    )


def _contents(found: QuestionSet, labelled: bool) -> Iterator[tuple[str, str]]:
    """Of every row: its id, and a hash of what makes it the question it is."""
    for row in found.rows:
        question = row.question
        choices = [] if labelled else sorted(question.choices)
        yield question.id, digest([[part.text for part in question.content], question.choices[row.gold], choices])
