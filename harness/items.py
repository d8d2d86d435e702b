"""Questions as token ids, before any framework: what each family of models reads, and how its choices are scored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.prompts import ANSWER_PREFIX, SCALE, context, instruction, sentences
from harness.types import Kind, Question

Ids = tuple[int, ...]
BATCH_TOKENS = 2_048
"""Padded tokens of one forward pass; larger batches measured no faster on a CPU."""


@dataclass(frozen=True, slots=True)
class SentenceItem:
    """A question as token ids: its choices in the row's order, and the sentences of its passages."""

    question: Ids
    choices: tuple[Ids, ...]
    sentences: tuple[Ids, ...]
    weights: tuple[float, ...]
    """Of each sentence: its passage's."""
    reading: float

    @property
    def length(self) -> int:
        return len(self.question)

    @property
    def texts(self) -> tuple[Ids, ...]:
        return (self.question, *self.choices, *self.sentences)


def sentence_items(
    questions: Sequence[Question], kind: Kind, tokens: Callable[[Sequence[str]], list[Ids]]
) -> list[SentenceItem]:
    """Every text is cut into tokens once, however many questions share it."""
    texts: dict[str, None] = {}
    for question in questions:
        texts[question.text] = None
        if kind is Kind.CHOICE:
            texts.update(dict.fromkeys(question.choices))
            texts.update(dict.fromkeys(text for text, _ in _read(question)))
    ids = dict(zip(texts, tokens(list(texts)), strict=True))
    return [_sentence_item(question, kind, ids) for question in questions]


def _sentence_item(question: Question, kind: Kind, ids: Mapping[str, Ids]) -> SentenceItem:
    own = ids[question.text]
    if kind is not Kind.CHOICE:
        return SentenceItem(own, (), (), (), 0.0)
    read = _read(question)
    return SentenceItem(
        own,
        tuple(ids[choice] for choice in question.choices),
        tuple(ids[text] for text, _ in read),
        tuple(weight for _, weight in read),
        question.reading if read else 0.0,
    )


def _read(question: Question) -> list[tuple[str, float]]:
    """Every sentence of the passages that count, with its passage's weight."""
    if question.reading <= 0:
        return []
    return [(text, passage.weight) for passage in question.passages for text in sentences(passage.text)]


def places(items: Sequence[SentenceItem]) -> dict[Ids, int]:
    """Every text of a batch once, with its row among their vectors."""
    found: dict[Ids, int] = {}
    for item in items:
        for ids in item.texts:
            found.setdefault(ids, len(found))
    return found


def similarity_scores(item: SentenceItem, vectors: Mapping[Ids, np.ndarray]) -> np.ndarray:
    """Scores of the choices from unit-length vectors, float32 [choices]; see `prompts.sentences` for the formula."""

    def stack(all_ids: tuple[Ids, ...]) -> np.ndarray:
        return np.stack([vectors[ids] for ids in all_ids])

    choices = stack(item.choices)
    score = choices @ vectors[item.question]
    if item.sentences:
        best = (choices @ stack(item.sentences).T * np.array(item.weights, dtype=np.float32)).max(1)
        score = (1 - item.reading) * score + item.reading * best
    scaled: np.ndarray = (SCALE * score).astype(np.float32)
    return scaled


@dataclass(frozen=True, slots=True)
class PairItem:
    """A question as an encoder with a head reads it."""

    texts: tuple[Ids, ...]
    """One for labels, one per choice otherwise."""
    types: tuple[Ids, ...]
    length: int


Encoded = tuple[Sequence[Sequence[int]], Sequence[Sequence[int]]]
"""Token ids and token types of every text."""


def pair_items(
    questions: Sequence[Question], kind: Kind, encode: Callable[[list[str], list[str] | None], Encoded]
) -> list[PairItem]:
    """`encode` cuts first and second texts together; the second is missing where there are labels."""
    firsts: list[str] = []
    seconds: list[str] = []
    counts: list[int] = []
    for question in questions:
        choices = question.choices if kind is Kind.CHOICE else ()
        firsts += [context(question)] * max(1, len(choices))
        seconds += choices
        counts.append(max(1, len(choices)))
    ids, types = encode(firsts, seconds or None)
    items, start = [], 0
    for count in counts:
        own = tuple(tuple(each) for each in ids[start : start + count])
        items.append(PairItem(own, tuple(tuple(each) for each in types[start : start + count]), max(map(len, own))))
        start += count
    return items


@dataclass(frozen=True, slots=True)
class CausalItem:
    """A question as a causal model reads it: the prompt that every choice follows."""

    prompt: Ids
    choices: tuple[Ids, ...]
    length: int
    """Of the longest text read."""


def causal_items(
    questions: Sequence[Question],
    tokens: Callable[[list[str], bool], Sequence[Sequence[int]]],
    turn: Callable[[str], str] | None,
    most: int,
) -> list[CausalItem]:
    """`tokens` cuts texts, with the special ones or without; a prompt of more than `most` loses its beginning.

    `turn` writes what a user says as the model's chat template has it; None for a model without one.
    """
    asked = [instruction(question) for question in questions]
    prompts = tokens([turn(text) if turn else text + ANSWER_PREFIX for text in asked], turn is None)
    texts = list(dict.fromkeys(choice for question in questions for choice in question.choices))
    written = [choice if turn else f" {choice}" for choice in texts]
    ids = dict(zip(texts, tokens(written, False), strict=True))
    items = []
    for question, prompt in zip(questions, prompts, strict=True):
        choices = tuple(tuple(ids[choice]) for choice in question.choices)
        longest = max(map(len, choices))
        kept = tuple(prompt[-max(1, most - longest) :])
        items.append(CausalItem(kept, choices, len(kept) + longest))
    return items


def continuations(texts: Sequence[Sequence[int]], start: int | None, most: int) -> tuple[list[Ids], list[Ids]]:
    """Of texts, what is given and what is scored after it, `most` tokens together.

    Without a `start` the first token is given, and has no likelihood.
    """
    if start is not None:
        return [(start,)] * len(texts), [tuple(text[: most - 1]) for text in texts]
    return [tuple(text[:1]) for text in texts], [tuple(text[1:most]) for text in texts]
