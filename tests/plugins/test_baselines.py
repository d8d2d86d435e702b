"""Floors and probe: they learn what they claim to, and survive what real data does to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from harness.errors import HarnessError
from harness.testing import FakeSession
from harness.types import NOT_PROBABILITIES, Answers, Example, Kind, Material, Question, Text
from harness_baselines.majority import Majority
from harness_baselines.probe import Linear, Probe
from harness_baselines.tfidf import Tfidf, spread
from tests.plugins.test_rag import GivenContext

pytestmark = pytest.mark.slow  # scikit-learn

LABELS = ("card", "loan", "never seen")
TEXTS = {"card": "my card was stolen {}", "loan": "how much may I borrow {}"}


def labelled(numbers: range) -> tuple[Example, ...]:
    return tuple(
        Example(Question(f"{label}-{n}", (Text(text.format(n)),), LABELS), LABELS.index(label), f"{label}-{n}")
        for n in numbers
        for label, text in TEXTS.items()
    )


def classification() -> Material:
    return Material(Kind.CLASSIFICATION, LABELS, labelled(range(8)), labelled(range(8, 10)), ())


def refuse(questions: object) -> Answers:
    raise AssertionError("a floor asks no model")


def asked() -> list[Question]:
    return [example.question for example in labelled(range(20, 24))]


def wanted() -> list[int]:
    return [example.target for example in labelled(range(20, 24))]


def test_majority_is_the_most_frequent_label() -> None:
    material = classification()
    material = Material(material.kind, LABELS, (*material.train, material.train[1]), (), ())
    _, answer = Majority().apply(None, material, refuse, GivenContext())
    assert set(answer(asked()).chosen) == {LABELS.index("loan")}


def test_tfidf_learns_labels_and_ranks_the_never_seen_last() -> None:
    context = GivenContext()
    _, answer = Tfidf().apply(None, classification(), refuse, context)
    answers = answer(asked())
    assert answers.chosen == wanted()
    assert context.recorded["c"] in (1.0, 10.0, 100.0)
    assert all(int(row.argmin()) == 2 and np.isfinite(row).all() for row in answers.scores)


def test_tfidf_remembers_which_question_had_which_answer() -> None:
    def example(text: str, target: int) -> Example:
        return Example(Question(text, (Text(text),), ("six years", "two weeks")), target, text)

    train = (example("time to sue on a contract", 0), example("time to return an online purchase", 1))
    context = GivenContext()
    _, answer = Tfidf().apply(None, Material(Kind.CHOICE, (), train, (), ()), refuse, context)
    assert "similarities" in context.recorded[NOT_PROBABILITIES]
    assert answer([example("may an online purchase be returned", 0).question]).chosen == [1]


def test_the_probe_learns_and_reopens_to_the_same_answers(tmp_path: Path) -> None:
    session = FakeSession(0)
    context = GivenContext({"c": "auto"}, keep=tmp_path)
    _, answer = Probe().apply(session, classification(), session.answer, context)
    first = answer(asked())
    assert first.chosen == wanted()
    again = GivenContext({"c": "auto"}, kept=tmp_path)
    _, reopened = Probe().apply(session, Material(Kind.CLASSIFICATION, LABELS, (), (), ()), session.answer, again)
    np.testing.assert_array_equal(np.stack(first.scores), np.stack(reopened(asked()).scores))


def test_the_probes_arrays_are_the_pipelines_function() -> None:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    random = np.random.default_rng(0)
    features, targets = random.normal(size=(90, 5)) * 3 + 1, random.integers(3, size=90)
    pipeline = make_pipeline(StandardScaler(), LogisticRegression()).fit(features, targets)
    np.testing.assert_allclose(Linear.of(pipeline).log_odds(features), pipeline.decision_function(features), atol=1e-9)


def test_training_rows_of_one_label_are_learnt_too() -> None:
    full, session = classification(), FakeSession(0)
    material = Material(full.kind, LABELS, full.train[::2], full.validation, ())
    for step, answers in ((Tfidf(), refuse), (Probe(), session.answer)):
        _, answer = step.apply(session, material, answers, GivenContext({"c": "auto"}))
        assert set(answer(asked()).chosen) == {LABELS.index("card")}


def test_texts_without_a_word_are_one_line() -> None:
    rows = tuple(Example(Question(str(n), (Text("?!"),), LABELS), n % 2, str(n)) for n in range(4))
    with pytest.raises(HarnessError, match="nothing that tfidf could learn"):
        Tfidf().apply(None, Material(Kind.CLASSIFICATION, LABELS, rows, (), ()), refuse, GivenContext())


def test_a_given_strength_is_not_chosen_again() -> None:
    session, context = FakeSession(0), GivenContext({"c": 0.5})
    Probe().apply(session, classification(), session.answer, context)
    assert context.recorded["c"] == 0.5


def test_spread_keeps_places() -> None:
    wide = spread(np.log([[0.25, 0.75]]), np.array([0, 2]), 4)
    assert wide.shape == (1, 4)
    assert list(wide[0].argsort()[::-1][:2]) == [2, 0]
