"""`tfidf`: what words alone give, without any model; an adaptation must beat it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.plugin import (
    NOT_PROBABILITIES,
    Answerer,
    Answers,
    Context,
    Example,
    HarnessError,
    Kind,
    Material,
    Question,
    Session,
)

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

REGULARISATION = (1.0, 10.0, 100.0)
SHARPNESS = 10.0
"""Of cosine similarities: spreads them like log-probabilities, which they are not."""


class Tfidf:
    """Labels: logistic regression on words. Choices: nearest training question that had this very answer."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        if material.kind is Kind.CLASSIFICATION:
            return material, _by_regression(material, context)
        context.record(NOT_PROBABILITIES, "its scores are similarities of words, which no training made probabilities")
        return material, _by_neighbours(material.train)


def _by_regression(material: Material, context: Context) -> Answerer:
    words, features = _fitted([example.question.text for example in material.train])
    targets = [example.target for example in material.train]
    if len(set(targets)) == 1:
        return _always(targets[0])
    held = words.transform([example.question.text for example in material.validation]) if material.validation else None
    held_targets = [example.target for example in material.validation]

    from sklearn.linear_model import LogisticRegression

    def fitted(c: float) -> LogisticRegression:
        return LogisticRegression(C=c, max_iter=1000).fit(features, targets)

    if held is None:
        model, chosen = fitted(REGULARISATION[1]), REGULARISATION[1]
    else:
        tried = [(fitted(c), c) for c in REGULARISATION]
        model, chosen = max(tried, key=lambda found: found[0].score(held, held_targets))
    context.record("c", chosen)

    def answer(questions: Sequence[Question]) -> Answers:
        logs = model.predict_log_proba(words.transform([question.text for question in questions]))
        return Answers(tuple(spread(logs, model.classes_, len(questions[0].choices))))

    return answer


def _fitted(texts: Sequence[str]) -> tuple[TfidfVectorizer, csr_matrix]:
    """Weights of words and word pairs, one letter being a word too, and the texts as rows."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    try:
        return words, words.fit_transform(texts)
    except ValueError:
        raise HarnessError("no training question holds a word: there is nothing that tfidf could learn") from None


def _always(label: int) -> Answerer:
    """All there is to learn from training rows of one label."""

    def answer(questions: Sequence[Question]) -> Answers:
        row = np.zeros(len(questions[0].choices), dtype=np.float32)
        row[label] = SHARPNESS
        return Answers((row,) * len(questions))

    return answer


def spread(logs: np.ndarray, classes: np.ndarray, labels: int) -> np.ndarray:
    """Log-probabilities of all labels, [n, labels]; one that training never showed is the least likely of all."""
    unseen = min(-20.0, float(logs.min()) - 1.0)
    wide = np.full((len(logs), labels), unseen, dtype=np.float32)
    wide[:, classes] = logs
    return wide


def _by_neighbours(train: Sequence[Example]) -> Callable[[Sequence[Question]], Answers]:
    known: dict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(train):
        known[example.question.choices[example.target]].append(row)
    texts = [f"{example.question.text} {example.question.choices[example.target]}" for example in train]
    words, trained = _fitted(texts)

    def answer(questions: Sequence[Question]) -> Answers:
        asked = words.transform([question.text for question in questions])
        choices = list({choice: None for question in questions for choice in question.choices})
        place = {choice: number for number, choice in enumerate(choices)}
        written = words.transform(choices)
        scores = []
        for row, question in enumerate(questions):
            near = _dense(trained @ asked[row].T)
            own = _dense(written[[place[choice] for choice in question.choices]] @ asked[row].T)
            best = [near[known[choice]].max() if choice in known else 0.0 for choice in question.choices]
            scores.append((SHARPNESS * (np.array(best) + own)).astype(np.float32))
        return Answers(tuple(scores))

    return answer


def _dense(column: csr_matrix) -> np.ndarray:
    dense: np.ndarray = column.toarray()[:, 0]
    return dense
