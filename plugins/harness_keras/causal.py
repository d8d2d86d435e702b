"""Causal language models: a choice is as good as the likelihood of its text after the question."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from harness.items import CausalItem, causal_items, continuations
from harness.plugin import Question
from harness.prompts import PROMPT_TOKENS
from harness.session import Counter
from harness_keras.chat import Chat
from harness_keras.decoder import Decoder
from harness_keras.framework import tf
from harness_keras.loading import load_backbone
from harness_keras.padding import padded, valid
from harness_keras.tokens import Tokens


class CausalScorer:
    """Sum of the log-probabilities of a choice's tokens, given the prompt; trained as softmax over the choices."""

    head = None

    def __init__(self, body: Decoder, tokens: Tokens, chat: Chat, positions: int | None) -> None:
        self.body, self.tokens, self.chat, self.positions = body, tokens, chat, positions
        self.max_tokens = 0

    @classmethod
    def open(cls, where: Path, positions: int | None) -> CausalScorer:
        tokens, chat = Tokens(where), Chat.of(where)
        return cls(Decoder(load_backbone(where)), tokens, chat, positions)

    def begin(self, question: Question, counter: Counter) -> None:
        """Nothing is added to the model."""

    def room(self, question: Question) -> int:
        return self._most - self.size("".join(question.choices))

    def size(self, text: str) -> int:
        return self.tokens.size(text)

    @property
    def _most(self) -> int:
        most = PROMPT_TOKENS * self.max_tokens
        return most if self.positions is None else min(most, self.positions)

    def prepare(self, questions: Sequence[Question]) -> list[CausalItem]:
        return causal_items(questions, self.tokens.whole, self.chat.turn if self.chat.template else None, self._most)

    def logits(self, items: Sequence[CausalItem], counter: Counter) -> Any:
        found = self.body.log_likelihoods(
            [item.prompt for item in items for _ in item.choices],
            [choice for item in items for choice in item.choices],
            counter,
        )
        counts = np.cumsum([0, *(len(item.choices) for item in items)])
        rows, lengths = padded([range(start, end) for start, end in itertools.pairwise(counts)])
        return tf.where(valid(lengths, rows.shape[1]), tf.gather(found, rows), -np.inf)

    def likelihoods(self, texts: Sequence[str], counter: Counter) -> Any:
        """Of texts as far as the model reads, after their first token where the tokenizer has none to begin with."""
        firsts, rests = continuations(self.tokens.whole(list(texts), False), self.tokens.start, self._most)
        return self.body.log_likelihoods(firsts, rests, counter)

    def embeddings(self, texts: Sequence[str], counter: Counter) -> Any:
        """Mean of the last hidden states, unit length."""
        return tf.math.l2_normalize(self.body.pooled(self.tokens(texts, self.max_tokens), counter), -1, 1e-24)
