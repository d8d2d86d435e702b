"""Questions to try a backend on: plain ones to learn from, and odd ones that it must answer all the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from harness.testing.tiny import FACTS
from harness.types import Example, Kind, Passage, Question, Text

KINDS = (Kind.CHOICE, Kind.CLASSIFICATION)
KNOWN = FACTS[:4]
LABELS = tuple(time for _, time in KNOWN)
WORDINGS = 4
LONG_WORDS = 20_000
PASSAGES = tuple(Passage(subject, f"{subject} are active at {time}") for subject, time in KNOWN)
ODD = {
    "unicode": "¿когда активны 梟 🦉 — e\u0301 \u202e ß \x00?",
    "punctuation": "?!",
    "no text": "",
    "very long": "when are owls active " * (LONG_WORDS // 4),
}


def examples(kind: Kind) -> tuple[Example, ...]:
    """Every fact in every wording; the right choice stands in every place."""
    return tuple(_example(kind, number, wording) for wording in range(WORDINGS) for number in range(len(KNOWN)))


def _example(kind: Kind, number: int, wording: int) -> Example:
    subject, time = KNOWN[number]
    shift = (number + wording) % len(LABELS)
    choices = LABELS if kind is Kind.CLASSIFICATION else (*LABELS[shift:], *LABELS[:shift])
    text = f"when are {subject} active, wording {wording}?"
    return Example(Question(f"{subject}-{wording}", (Text(text),), choices), choices.index(time), subject)


def questions(kind: Kind) -> list[Question]:
    return [example.question for example in examples(kind)]


def odd_questions(kind: Kind) -> list[Question]:
    """Whatever a task may hold, each beside the choices of a plain question."""
    plain = questions(kind)[0]
    return [replace(plain, id=name, content=(Text(text),)) for name, text in ODD.items()]


def reading(asked: Sequence[Question], weight: float) -> list[Question]:
    """The same questions with passages that hold the answers."""
    return [replace(question, passages=PASSAGES, reading=weight) for question in asked]
