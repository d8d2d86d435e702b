"""Retrieval: passages of long documents, the index by size, and choices made on validation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.plugin import AssetInput
from harness.testing import FakeSession
from harness.types import Document, Example, Kind, Material, Question, Text
from harness_rag.fewshot import FewShot
from harness_rag.passages import OVERLAP, WORDS, split, titled
from harness_rag.rag import Rag
from harness_rag.retrieved import Hits, Retrieved, Span, open_hits, open_retrieved
from harness_rag.retriever import make, make_neighbours
from harness_rag.search import Hybrid, Lexical


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
    pytest.importorskip("faiss")
    from harness_rag import index

    random = np.random.default_rng(0)
    directions = 1 / np.sqrt(np.arange(1, 97))  # few directions hold most of what differs, as with texts

    def vectors(count: int, near: np.ndarray | float = 0.0) -> np.ndarray:
        drawn = near + random.normal(size=(count, 96)) * directions / 3
        return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True), dtype=np.float32)

    topics = vectors(300)
    passages = vectors(6_000, topics[random.integers(300, size=6_000)])
    told, asked = vectors(100, passages[:100]), vectors(200, passages[-200:])
    chunks = [passages[start : start + 1_000] for start in range(0, 6_000, 1_000)]
    flat, kind = index.build(chunks, 6_000, 96)
    assert kind == "Flat"
    monkeypatch.setattr(index, "FLAT_PASSAGES", 5_000)
    listed, kind = index.build(chunks, 6_000, 96, told)
    assert re.fullmatch(r"IVF309,PQ24x4fs,Refine\(SQ6\), \d+ lists read: \d\d\.\d% of the 10 nearest found", kind)
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
    return Retrieved(Hits(hits, {"latency_s": [0.01], "s_per_question": 0.001}), spans)


@dataclass
class GivenContext:
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    recalled: dict[str, Any] = field(default_factory=dict)
    recorded: dict[str, Any] = field(default_factory=dict)
    kept: Path | None = None
    keep: Path | None = None
    hits: Hits | None = None

    def asset(self, name: str) -> Any:
        return retrieved() if name == "retrieved" else self.hits

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
    assert (step.reading.k, step.reading.reading) == (2, 0.25)
    assert "rag" not in context.recorded


def test_settings_are_held_to() -> None:
    step, *_ = settled(k=2, reading=0.75)
    assert (step.reading.k, step.reading.reading) == (2, 0.75)


def spent() -> tuple[Any, list[str]]:
    """A `phase` as the worker gives it, and the names that it was called with."""
    names: list[str] = []

    @contextmanager
    def phase(name: str, counts: Any) -> Iterator[None]:
        names.append(name)
        yield
        counts()

    return phase, names


LAW = (
    Document("sale", "A buyer may return goods within fourteen days of delivery."),
    Document("lease", "A tenant must be given two months' notice before eviction."),
    Document("tort", "A claim for negligence lapses after six years."),
)
ASKED = ("how long may a buyer return goods", "what notice does a tenant get before eviction", "zzz")


def test_words_find_what_words_can() -> None:
    scores, numbers = Lexical([document.text for document in LAW])(ASKED, 2)
    assert numbers[:2, 0].tolist() == [0, 1]
    assert numbers[2].tolist() == [-1, -1], "nothing is found for words that no passage has"
    assert (scores[:2, 0] > 0).all()


class Fixed:
    """A ranking that was decided before."""

    kind = "fixed"

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    def __call__(self, texts: Any, k: int) -> Any:
        return np.ones((len(texts), len(self.numbers))), np.array([self.numbers] * len(texts))


def test_fusion_prefers_what_both_rankings_hold() -> None:
    scores, numbers = Hybrid(Fixed(7, 5, -1), Fixed(5, 9, 7))(["x"], 4)  # type: ignore[arg-type]
    assert numbers[0].tolist() == [5, 7, 9, -1]
    np.testing.assert_allclose(scores[0], [1 / 62 + 1 / 61, 1 / 61 + 1 / 63, 1 / 62, 0], rtol=1e-6)


def test_retrieval_by_words_loads_no_model(tmp_path: Path) -> None:
    phase, names = spent()
    settings = {"encoder": "no such model", "retriever": "bm25", "passages": "retrieved"}
    make(tmp_path, AssetInput(LAW, ASKED), settings, phase)
    assert list(dict.fromkeys(names)) == ["index", "retrieve", "latency"]
    found = open_retrieved(tmp_path)
    assert [p.document_id for p in found.passages(ASKED[1], 1, LAW)] == ["lease"]
    assert found.passages("zzz", 3, LAW) == ()


def test_the_oracle_is_told_and_the_irrelevant_never_hold_the_answer(tmp_path: Path) -> None:
    evidence = (("sale",), ("lease", "tort"), ())
    for which in ("oracle", "irrelevant"):
        folder = tmp_path / which
        folder.mkdir()
        phase, _ = spent()
        make(folder, AssetInput(LAW, ASKED, (), evidence), {"retriever": "dense", "passages": which}, phase)
        found = open_retrieved(folder)
        for text, holding in zip(ASKED, evidence, strict=True):
            read = {passage.document_id for passage in found.passages(text, 10, LAW)}
            everything = {document.id for document in LAW}
            assert read == (set(holding) if which == "oracle" else everything - set(holding))


def test_shots_are_training_questions_and_never_of_the_own_cluster(tmp_path: Path) -> None:
    given, session = material(), FakeSession(0)
    texts = tuple(example.question.text for example in (*given.train, *given.validation))
    phase, _ = spent()
    train = tuple(example.question.text for example in given.train)
    make_neighbours(tmp_path, AssetInput((), texts, train), {"retriever": "bm25"}, phase)
    settings = {"k": 1, "reading": 1.0, "in_training": True}
    context, step = GivenContext(settings, hits=open_hits(tmp_path)), FewShot()
    shown, answer = step.apply(session, given, session.answer, context)
    step.settle(session, context)
    for example in shown.train:
        assert all(example.cluster not in passage.text for passage in example.question.passages)
    asked = [example.question for example in given.validation]
    answers = answer(asked)
    assert answers.chosen == [example.target for example in given.validation]
    assert answers.passages == ((), ()) or answers.passages == (), "shots are no documents: retrieval is not measured"
