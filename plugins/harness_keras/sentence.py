"""Sentence encoders: a choice is as good as its similarity to the question, and to what is read in passages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.items import Ids, SentenceItem, places, sentence_items
from harness.plugin import Kind, Question
from harness.prompts import SCALE
from harness.session import CachedSentences, Counter
from harness_keras.body import Body
from harness_keras.framework import tf
from harness_keras.head import Head
from harness_keras.loading import load_backbone
from harness_keras.padding import padded, valid
from harness_keras.session import KerasSession
from harness_keras.tokens import Tokens

LEAST_NORM = 1e-12
UNREAD = -1e9
"""Similarity of sentences that pad a batch; finite, for it is multiplied by a reading weight of 0."""


class SentenceScorer:
    """Similarity to each choice; for labels, to a head whose rows start as the labels' own embeddings."""

    def __init__(self, body: Body, tokens: Tokens, kind: Kind) -> None:
        self.body, self.tokens, self.kind = body, tokens, kind
        self.max_tokens = 0
        self.head: Head | None = None

    @classmethod
    def open(cls, where: Path, kind: Kind, pooling: str) -> SentenceScorer:
        return cls(Body(load_backbone(where), pooling), Tokens(where), kind)

    def begin(self, question: Question, counter: Counter) -> None:
        """Give labels their head before it is first trained or asked."""
        if self.kind is Kind.CLASSIFICATION and self.head is None:
            self.head = Head(self.embeddings(question.choices, counter).numpy())

    def prepare(self, questions: Sequence[Question]) -> list[SentenceItem]:
        return sentence_items(questions, self.kind, lambda texts: self.tokens(texts, self.max_tokens))

    def vectors(self, ids: Sequence[Ids], counter: Counter) -> Any:
        """Unit-length vectors of token sequences, float32 [n, d]."""
        pooled = self.body.pooled(ids, None, counter)
        return pooled / tf.maximum(tf.norm(pooled, axis=-1, keepdims=True), LEAST_NORM)

    def embeddings(self, texts: Sequence[str], counter: Counter) -> Any:
        return self.vectors(self.tokens(texts, self.max_tokens), counter)

    def logits(self, items: Sequence[SentenceItem], counter: Counter) -> Any:
        if self.kind is Kind.CLASSIFICATION:
            assert self.head is not None
            return SCALE * self.head(self.vectors([item.question for item in items], counter))
        place = places(items)
        found = self.vectors(list(place), counter)
        choices, counts = padded([[place[ids] for ids in item.choices] for item in items])
        read, lengths = padded([[place[ids] for ids in item.sentences] for item in items])
        weights = np.zeros(read.shape, np.float32)
        there = valid(lengths, read.shape[1])
        weights[there] = [weight for item in items for weight in item.weights]
        scores = _similarities(
            found,
            tf.constant([place[item.question] for item in items], tf.int32),
            tf.constant(choices),
            tf.constant(read),
            tf.constant(weights),
            tf.constant(there),
            tf.constant([item.reading for item in items], tf.float32),
        )
        return tf.where(valid(counts, choices.shape[1]), SCALE * scores, -np.inf)


@tf.function(reduce_retracing=True, autograph=False)
def _similarities(found: Any, question: Any, choices: Any, read: Any, weights: Any, there: Any, reading: Any) -> Any:
    """Rows of vectors [n], [n, c], [n, s] and what is read of them -> [n, c]; see `prompts.sentences`."""
    options = tf.gather(found, choices)
    score = tf.einsum("ncd,nd->nc", options, tf.gather(found, question))
    likeness = tf.einsum("ncd,nsd->ncs", options, tf.gather(found, read)) * weights[:, None]
    best = tf.reduce_max(tf.where(there[:, None], likeness, UNREAD), -1)
    return (1 - reading[:, None]) * score + reading[:, None] * best


class SentenceSession(CachedSentences, KerasSession):
    """A sentence encoder on Keras."""
