"""How a question becomes the text that a model reads: equal on every backend, so that none has the better prompt."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from string import ascii_uppercase

from harness.types import Question

MAX_TOKENS = 256
"""Texts are cut to so many tokens, wherever a recipe does not say otherwise."""

PROMPT_TOKENS = 4
"""A prompt lists choices and passages: it may be so many times as long as a plain text."""
CHARS_PER_TOKEN = 4
"""Where nobody knows a model's tokens; rather too few characters than too many."""

SCALE = 20.0
"""Inverse temperature of cosine similarities before softmax (Reimers & Gurevych 2019, arXiv:1908.10084)."""


LEAST_SENTENCE = 15
"""Characters; anything shorter is an abbreviation's end rather than a sentence."""


def sentences(text: str) -> list[str]:
    """The sentences and clauses of a passage, in order; a short one stays with the one before.

    A sentence encoder reads by them. With question q, passages p of weight w and r = `question.reading`, choice c
    scores (1 - r)·sim(q, c) + r·max over p, and over sentences s of p, of w·sim(c, s).
    """
    found: list[str] = []
    for part in re.split(r"(?<=[.;:?!])\s+", text.strip()):
        if found and (len(part) < LEAST_SENTENCE or len(found[-1]) < LEAST_SENTENCE):
            found[-1] += f" {part}"
        else:
            found.append(part)
    return found


def within(question: Question, room: int, tokens: Callable[[str], int]) -> Question:
    """The question with the passages that a model with `room` tokens begins to read, best first; none that weigh 0."""
    kept, used = [], tokens(question.text)
    for passage in question.passages if question.reading > 0 else ():
        if used >= room:
            break
        kept.append(passage)
        used += tokens(passage.text)
    return replace(question, passages=tuple(kept))


def passages_read(question: Question) -> tuple[str, ...]:
    """The texts of the passages that count, best first; none where their weight is 0."""
    return tuple(passage.text for passage in question.passages) if question.reading > 0 else ()


def context(question: Question) -> str:
    """First text of an encoder's pair: the question, then its passages, best first; what is too long is cut last."""
    return "\n".join((question.text, *passages_read(question)))


def instruction(question: Question) -> str:
    """What a causal model is asked; the best passage stands last, for too long a text loses its beginning."""
    lines = [f"Passage: {text}" for text in reversed(passages_read(question))]
    lines += [f"Question: {question.text}", "Choices:"]
    lines += [f"- {choice}" for choice in question.choices]
    return "\n".join(lines)


def marks(count: int) -> tuple[str, ...]:
    """What choices are called where a model writes its answer: letters, or numbers where there are too many."""
    return tuple(ascii_uppercase[:count]) if count <= len(ascii_uppercase) else tuple(map(str, range(1, count + 1)))


def marked(question: Question) -> str:
    """What a chat model of a service is asked: as `instruction`, with a mark before each choice.

    Passages have the room that `PROMPT_TOKENS` leaves; the best one stands last, and the first lose their beginning.
    """
    asked = [f"Question: {question.text}", "Choices:"]
    asked += [f"{mark}) {choice}" for mark, choice in zip(marks(len(question.choices)), question.choices, strict=True)]
    text = "\n".join(asked)
    room = max(0, PROMPT_TOKENS * MAX_TOKENS * CHARS_PER_TOKEN - len(text))
    passages = "\n".join(f"Passage: {read}" for read in reversed(passages_read(question)))
    return f"{passages[-room:]}\n{text}" if passages and room else text


def readable(question: Question) -> Question:
    """The question with the passages of which `marked` leaves anything."""
    room = PROMPT_TOKENS * MAX_TOKENS - sum(map(len, question.choices)) // CHARS_PER_TOKEN
    return within(question, room, lambda text: len(text) // CHARS_PER_TOKEN)


ANSWER_PREFIX = "\nAnswer:"
"""Follows `instruction` for models without a chat template."""
