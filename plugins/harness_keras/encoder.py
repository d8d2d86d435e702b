"""Plain encoders: a linear head on the pooled text; a choice is read together with its question."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.items import Encoded, PairItem, pair_items
from harness.plugin import Kind, Question
from harness.session import Counter
from harness.training import initial_head
from harness_keras.body import Body
from harness_keras.framework import tf
from harness_keras.head import Head
from harness_keras.loading import load_backbone
from harness_keras.padding import padded, valid
from harness_keras.tokens import Tokens


class EncoderScorer:
    """Head on mean-pooled states: one output per label, or one score per question-choice pair."""

    def __init__(self, body: Body, tokens: Tokens, kind: Kind, head: np.ndarray) -> None:
        self.body, self.tokens, self.kind, self.head = body, tokens, kind, Head(head)
        self.max_tokens = 0

    @classmethod
    def open(cls, where: Path, kind: Kind, labels: int, seed: int) -> EncoderScorer:
        body = Body(load_backbone(where), "mean")
        outputs = labels if kind is Kind.CLASSIFICATION else 1
        return cls(body, Tokens(where), kind, initial_head(body.model.hidden_dim, outputs, seed))

    def begin(self, question: Question, counter: Counter) -> None:
        """The head is there from the start."""

    def room(self, question: Question) -> int:
        return self.max_tokens

    def size(self, text: str) -> int:
        return self.tokens.size(text)

    def prepare(self, questions: Sequence[Question]) -> list[PairItem]:
        return pair_items(questions, self.kind, self._encode)

    def _encode(self, firsts: list[str], seconds: list[str] | None) -> Encoded:
        return self.tokens.encode(firsts, seconds, self.max_tokens)

    def logits(self, items: Sequence[PairItem], counter: Counter) -> Any:
        texts, types = ([ids for item in items for ids in getattr(item, name)] for name in ("texts", "types"))
        found = self.head(self.body.pooled(texts, types, counter))
        if self.kind is Kind.CLASSIFICATION:
            return found
        counts = np.cumsum([0, *(len(item.texts) for item in items)])
        rows, lengths = padded([range(start, end) for start, end in itertools.pairwise(counts)])
        return tf.where(valid(lengths, rows.shape[1]), tf.gather(found[:, 0], rows), -np.inf)

    def embeddings(self, texts: Sequence[str], counter: Counter) -> Any:
        return tf.math.l2_normalize(self.body.pooled(self.tokens(texts, self.max_tokens), None, counter), -1, 1e-24)
