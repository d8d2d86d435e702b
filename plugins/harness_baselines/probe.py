"""`probe`: what the frozen model's embeddings hold already; logistic regression, its strength from validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from harness.plugin import AUTO, Answerer, Answers, Context, Example, Kind, Material, Question, Session
from harness_baselines.tfidf import spread

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

REGULARISATION = (0.01, 0.1, 1.0, 10.0, 100.0)
UNVALIDATED = 1.0
STATE_FILE = "probe.npz"


class Probe:
    """Labels: multinomial regression on the question. Choices: right or wrong, on products and differences."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        assert session is not None
        features = _Features(session, material.kind)
        if context.kept is not None:
            return material, features.answerer(Linear.load(context.kept / STATE_FILE))
        linear = _fitted(features, material, context)
        if context.keep is not None:
            linear.save(context.keep / STATE_FILE)
        return material, features.answerer(linear)


class Linear:
    """Log-odds x·W + b, all that is left of a fitted pipeline: arrays, never a pickle."""

    def __init__(self, weights: np.ndarray, bias: np.ndarray, classes: np.ndarray) -> None:
        self.weights, self.bias, self.classes = weights, bias, classes

    @classmethod
    def of(cls, pipeline: Pipeline) -> Linear:
        scaler, regression = pipeline[0], pipeline[-1]
        weights = regression.coef_ / scaler.scale_
        return cls(weights, regression.intercept_ - weights @ scaler.mean_, regression.classes_)

    @classmethod
    def load(cls, file: object) -> Linear:
        with np.load(file, allow_pickle=False) as found:  # type: ignore[call-overload]
            return cls(found["weights"], found["bias"], found["classes"])

    def save(self, file: object) -> None:
        np.savez(file, weights=self.weights, bias=self.bias, classes=self.classes)  # type: ignore[arg-type]

    def log_odds(self, features: np.ndarray) -> np.ndarray:
        """[n, outputs]"""
        found: np.ndarray = features @ self.weights.T + self.bias
        return found


class _Features:
    """Vectors that a probe sees, and how its outputs become answers."""

    def __init__(self, session: Session, kind: Kind) -> None:
        self.session, self.kind = session, kind

    def of(self, questions: Sequence[Question]) -> np.ndarray:
        """Labels: [questions, d]. Choices: [all choices, 2d], element-wise product and distance."""
        asked = self.session.embed([question.text for question in questions])
        if self.kind is Kind.CLASSIFICATION:
            return asked
        texts = list({choice: None for question in questions for choice in question.choices})
        vectors = dict(zip(texts, self.session.embed(texts), strict=True))
        rows = [
            np.concatenate([vector * vectors[choice], np.abs(vector - vectors[choice])])
            for vector, question in zip(asked, questions, strict=True)
            for choice in question.choices
        ]
        return np.stack(rows)

    def targets(self, examples: Sequence[Example]) -> np.ndarray:
        if self.kind is Kind.CLASSIFICATION:
            return np.array([example.target for example in examples])
        return np.array(
            [place == example.target for example in examples for place in range(len(example.question.choices))]
        ).astype(int)

    def scores(self, questions: Sequence[Question], features: np.ndarray, linear: Linear) -> list[np.ndarray]:
        odds = linear.log_odds(features)
        if self.kind is Kind.CLASSIFICATION:
            if len(linear.classes) == 2:
                odds = np.concatenate([np.zeros_like(odds), odds], axis=1)
            return list(spread(odds, linear.classes, len(questions[0].choices)))
        ends = np.cumsum([len(question.choices) for question in questions])[:-1]
        return list(np.split(odds[:, 0].astype(np.float32), ends))

    def answerer(self, linear: Linear) -> Answerer:
        def answer(questions: Sequence[Question]) -> Answers:
            return Answers(tuple(self.scores(questions, self.of(questions), linear)))

        return answer


def _fitted(features: _Features, material: Material, context: Context) -> Linear:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train = [example.question for example in material.train]
    seen, targets = features.of(train), features.targets(material.train)
    if len(set(targets)) == 1:
        # Training rows of one label: it is all that there is to answer.
        return Linear(np.zeros((1, seen.shape[1])), np.ones(1), targets[:1])
    held = [example.question for example in material.validation]
    held_features = features.of(held) if held else None
    wanted = [example.target for example in material.validation]

    def right(linear: Linear) -> int:
        assert held_features is not None
        found = features.scores(held, held_features, linear)
        return sum(int(row.argmax()) == target for row, target in zip(found, wanted, strict=True))

    tried = []
    given = context.settings["c"]
    strengths = (given,) if given != AUTO else REGULARISATION if held else (UNVALIDATED,)
    for c in strengths:
        pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000))
        linear = Linear.of(pipeline.fit(seen, targets))
        tried.append((right(linear) if held else 0, c, linear))
    _, chosen, best = max(tried, key=lambda found: (found[0], -found[1]))
    context.record("c", chosen)
    return best
