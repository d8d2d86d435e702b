"""Retrieval: passages of long documents, the index by size, and choices made on validation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.testing import FakeSession
from harness.types import Document, Example, Kind, Material, Question, Text
from harness_rag.passages import OVERLAP, WORDS, split, titled
from harness_rag.rag import Rag
from harness_rag.retrieved import Retrieved, Span


def test_short_documents_are_one_passage() -> None:
    document = Document("a", "owls  are\nactive at night", "Owls")
    (span,) = split([document])
    assert document.text[span.start : span.end] == document.text
    assert titled(document, span) == f"Owls. {document.text}"


def test_long_documents_are_cut_with_overlap_and_nothing_is_lost() -> None:
    words = [f"w{number}" for number in range(3 * WORDS)]
    document = Document("a", " ".join(words))
    cut = [document.text[span.start : span.end].split() for span in split([document])]
    assert max(map(len, cut)) == WORDS
    assert cut[0][-OVERLAP:] == cut[1][:OVERLAP]
    assert set().union(*cut) == set(words)


def test_an_empty_document_has_no_passage() -> None:
    assert list(split([Document("a", "  ")])) == []


@pytest.mark.torch
def test_the_index_fits_the_number_of_passages(monkeypatch: pytest.MonkeyPatch) -> None:
    faiss = pytest.importorskip("faiss")
    from harness_rag import index

    random = np.random.default_rng(0)
    centres = random.normal(size=(60, 32))
    vectors = centres[random.integers(60, size=6_000)] + 0.4 * random.normal(size=(6_000, 32))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    chunks = [vectors[start : start + 1_000] for start in range(0, 6_000, 1_000)]
    asked = vectors[:200]
    flat = index.build(chunks, 6_000, 32)
    assert isinstance(flat, faiss.IndexFlat)
    monkeypatch.setattr(index, "FLAT_PASSAGES", 5_000)
    listed = index.build(chunks, 6_000, 32)
    assert listed.ntotal == flat.ntotal == 6_000
    (_, exact), (_, near) = flat.search(asked, 10), listed.search(asked, 10)
    recall = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(exact, near, strict=True)])
    assert recall >= 0.9


DOCUMENTS = (Document("owls", "owls are active at night"), Document("larks", "larks are active at morning"))


def question(number: int, subject: str) -> Question:
    return Question(f"{subject}-{number}", (Text(f"when are {subject} active {number}"),), ("night", "morning"))


def material() -> Material:
    rows = [Example(question(n, s), place, s) for n in range(3) for place, s in enumerate(("owls", "larks"))]
    return Material(Kind.CHOICE, (), tuple(rows[:4]), tuple(rows[4:]), DOCUMENTS)


def retrieved() -> Retrieved:
    hits = {}
    for number in range(3):
        hits[question(number, "owls").text] = ([0, 1], [0.8, 0.4])
        hits[question(number, "larks").text] = ([1, 0], [0.8, 0.4])
    spans = [Span(0, 0, len(DOCUMENTS[0].text)), Span(1, 0, len(DOCUMENTS[1].text))]
    return Retrieved(hits, spans, {"latency_s": [0.01], "s_per_question": 0.001})


@dataclass
class GivenContext:
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    recalled: dict[str, Any] = field(default_factory=dict)
    recorded: dict[str, Any] = field(default_factory=dict)
    kept: Path | None = None
    keep: Path | None = None

    def asset(self, name: str) -> Retrieved:
        return retrieved()

    def record(self, name: str, value: Any) -> None:
        self.recorded[name] = value

    def recall(self, name: str) -> Any:
        return self.recalled.get(name)

    def progress(self, epoch: Any) -> None:
        raise AssertionError("nothing is trained")


def settled(**changes: Any) -> tuple[Rag, GivenContext, Any, Material]:
    recalled = changes.pop("recalled", {})
    settings = {"encoder": "x", "k": "auto", "reading": "auto", "in_training": True, **changes}
    context, session, step = GivenContext(settings, recalled=recalled), FakeSession(0), Rag()
    given, answer = step.apply(session, material(), session.answer, context)
    step.settle(session, context)
    return step, context, answer, given


def test_weights_are_squared_shares_of_the_best() -> None:
    found = retrieved().passages(question(0, "owls").text, 2, DOCUMENTS)
    assert [passage.document_id for passage in found] == ["owls", "larks"]
    assert [round(passage.weight, 4) for passage in found] == [1.0, 0.25]


def test_a_question_that_was_not_planned_is_refused() -> None:
    with pytest.raises(HarnessError, match="nothing was retrieved"):
        retrieved().passages("something else", 1, DOCUMENTS)


def test_reading_is_chosen_on_validation_and_answers_right() -> None:
    _, context, answer, given = settled()
    assert context.recorded["rag"]["k"] == 1, "the one passage that holds the answer"
    asked = [example.question for example in material().validation]
    answers = answer(asked)
    assert answers.chosen == [example.target for example in material().validation]
    assert answers.passages == (("owls",), ("larks",))
    assert all(example.question.passages for example in given.train)


def test_training_questions_stay_plain_unless_asked_for() -> None:
    *_, given = settled(in_training=False)
    assert not any(example.question.passages for example in given.train)


def test_a_kept_choice_is_not_made_again() -> None:
    step, context, *_ = settled(recalled={"rag": {"k": 2, "reading": 0.25}})
    assert (step.k, step.reading) == (2, 0.25)
    assert "rag" not in context.recorded


def test_settings_are_held_to() -> None:
    step, *_ = settled(k=2, reading=0.75)
    assert (step.k, step.reading) == (2, 0.75)
