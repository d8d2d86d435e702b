"""Sentence encoders: a choice is as good as its similarity to the question, and to what is read in passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from harness.plugin import Answers, Kind, Question
from harness.prompts import SCALE, sentences
from harness.training import length_batches
from harness_torch.loading import load_body
from harness_torch.padding import Ids, mean_pooled, padded
from harness_torch.session import Counter, TorchSession, passages_of

BATCH_TOKENS = 2_048
"""Padded tokens of one forward pass; larger batches measured no faster on a CPU."""
CACHED_TEXTS = 50_000
ANSWER_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Item:
    """A question as token ids: its choices in the row's order, and the sentences of its passages."""

    question: Ids
    choices: tuple[Ids, ...]
    sentences: tuple[Ids, ...]
    weights: tuple[float, ...]
    """Of each sentence: its passage's."""
    reading: float

    @property
    def length(self) -> int:
        return len(self.question)


class SentenceScorer(nn.Module):
    """Similarity to each choice; for labels, to a head whose rows start as the labels' own embeddings."""

    def __init__(self, model: nn.Module, tokenizer: Any, pooling: str, kind: Kind) -> None:
        super().__init__()
        self.model, self.tokenizer, self.pooling, self.kind = model, tokenizer, pooling, kind
        self.max_tokens = 0
        self.head: nn.Linear | None = None

    @classmethod
    def open(cls, where: Path, kind: Kind, pooling: str) -> SentenceScorer:
        return cls(load_body(where), AutoTokenizer.from_pretrained(where), pooling, kind)

    def begin(self, question: Question, counter: Counter) -> None:
        """Give labels their head before it is first trained or asked."""
        if self.kind is Kind.CLASSIFICATION and self.head is None:
            with torch.inference_mode():
                rows = self.embeddings(question.choices, counter)
            self.head = nn.Linear(rows.shape[1], len(rows), device=self._device)
            with torch.no_grad():
                self.head.weight.copy_(torch.from_numpy(rows))
                self.head.bias.zero_()

    @property
    def _device(self) -> torch.device:
        return next(self.model.parameters()).device

    def tokens(self, texts: Sequence[str]) -> list[Ids]:
        if not texts:
            return []
        found = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return [tuple(ids) for ids in found]

    def prepare(self, questions: Sequence[Question]) -> list[Item]:
        texts: dict[str, None] = {}
        for question in questions:
            texts[question.text] = None
            if self.kind is Kind.CHOICE:
                texts.update(dict.fromkeys(question.choices))
                texts.update(dict.fromkeys(text for text, _ in _read(question)))
        ids = dict(zip(texts, self.tokens(list(texts)), strict=True))
        return [self._item(question, ids) for question in questions]

    def _item(self, question: Question, ids: Mapping[str, Ids]) -> Item:
        own = ids[question.text]
        if self.kind is not Kind.CHOICE:
            return Item(own, (), (), (), 0.0)
        read = _read(question)
        return Item(
            own,
            tuple(ids[choice] for choice in question.choices),
            tuple(ids[text] for text, _ in read),
            tuple(weight for _, weight in read),
            question.reading if read else 0.0,
        )

    def vectors(self, ids: Sequence[Ids], counter: Counter) -> Tensor:
        """Unit-length vectors of token sequences, float32 [n, d], in batches of similar length."""
        lengths = [len(each) for each in ids]
        counter.count(lengths)
        batches = length_batches(lengths, BATCH_TOKENS)
        order = [row for rows in batches for row in rows]
        shaped = [padded([ids[row] for row in rows], self.tokenizer.pad_token_id, self._device) for rows in batches]
        # One look-up for all batches: its gradient is as large as the whole vocabulary.
        looked_up = self.model.get_input_embeddings()(torch.cat([inputs.flatten() for inputs, _, _ in shaped]))
        split = looked_up.split([inputs.numel() for inputs, _, _ in shaped])
        parts = [
            self._pooled(embedded.view(*inputs.shape, -1), mask, sizes)
            for embedded, (inputs, mask, sizes) in zip(split, shaped, strict=True)
        ]
        return torch.cat(parts)[torch.tensor(order, device=self._device).argsort()]

    def _pooled(self, embedded: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
        states = self.model(inputs_embeds=embedded, attention_mask=mask).last_hidden_state
        pooled = states[:, 0].float() if self.pooling == "cls" else mean_pooled(states, mask, lengths)
        return nn.functional.normalize(pooled, dim=-1)

    def logits(self, items: Sequence[Item], counter: Counter) -> Tensor:
        if self.kind is Kind.CLASSIFICATION:
            assert self.head is not None
            found = self.vectors([item.question for item in items], counter)
            with torch.autocast(found.device.type, enabled=False):
                return SCALE * self.head(found)  # type: ignore[no-any-return]
        place: dict[Ids, int] = {}
        for item in items:
            for ids in (item.question, *item.choices, *item.sentences):
                place.setdefault(ids, len(place))
        found = self.vectors(list(place), counter)
        most = max(len(item.choices) for item in items)
        with torch.autocast(found.device.type, enabled=False):
            rows = [SCALE * _similarity(item, found, place) for item in items]
        return torch.stack([nn.functional.pad(row, (0, most - len(row)), value=-torch.inf) for row in rows])

    def embeddings(self, texts: Sequence[str], counter: Counter) -> np.ndarray:
        found: np.ndarray = self.vectors(self.tokens(texts), counter).cpu().numpy()
        return found

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        if "head.weight" in weights:
            labels, width = weights["head.weight"].shape
            self.head = nn.Linear(width, labels)
        self.load_state_dict(dict(weights))


def _similarity(item: Item, found: Tensor, place: Mapping[Ids, int]) -> Tensor:
    """[choices]; see `prompts.sentences` for the formula."""
    choices = found[[place[ids] for ids in item.choices]]
    score = choices @ found[place[item.question]]
    if not item.sentences:
        return score
    read = choices @ found[[place[ids] for ids in item.sentences]].T
    best = (read * torch.tensor(item.weights, device=read.device)).amax(1)
    return (1 - item.reading) * score + item.reading * best


def _read(question: Question) -> list[tuple[str, float]]:
    """Every sentence of the passages that count, with its passage's weight."""
    if question.reading <= 0:
        return []
    return [(text, passage.weight) for passage in question.passages for text in sentences(passage.text)]


class SentenceSession(TorchSession):
    """Answers from a cache of vectors: choices and passages repeat, and λ and k are tried many times."""

    scorer: SentenceScorer

    def __init__(self, scorer: SentenceScorer, card: Any, device: torch.device) -> None:
        super().__init__(scorer, card, device)
        self._cache: dict[Ids, np.ndarray] = {}

    def forget(self) -> None:
        self._cache.clear()

    def answer(self, questions: Sequence[Question]) -> Answers:
        if not questions:
            return Answers(())
        self.scorer.begin(questions[0], self.counter)
        if self.scorer.kind is Kind.CLASSIFICATION:
            return super().answer(questions)
        questions = [question if question.reading > 0 else replace(question, passages=()) for question in questions]
        scores: list[np.ndarray] = []
        for start in range(0, len(questions), ANSWER_CHUNK):
            scores += self._scores(self.scorer.prepare(questions[start : start + ANSWER_CHUNK]))
        return Answers(tuple(scores), passages_of(questions))

    def _scores(self, items: Sequence[Item]) -> list[np.ndarray]:
        wanted = {ids for item in items for ids in (item.question, *item.choices, *item.sentences)}
        missing = sorted(wanted - self._cache.keys())
        if len(self._cache) + len(missing) > CACHED_TEXTS:
            self._cache.clear()
            missing = sorted(wanted)
        if missing:
            with torch.inference_mode():
                found = self.scorer.vectors(missing, self.counter).cpu().numpy()
            self._cache.update(zip(missing, found, strict=True))
        return [self._score(item) for item in items]

    def _score(self, item: Item) -> np.ndarray:
        def stack(all_ids: tuple[Ids, ...]) -> np.ndarray:
            return np.stack([self._cache[ids] for ids in all_ids])

        choices = stack(item.choices)
        score = choices @ self._cache[item.question]
        if item.sentences:
            best = (choices @ stack(item.sentences).T * np.array(item.weights, dtype=np.float32)).max(1)
            score = (1 - item.reading) * score + item.reading * best
        scaled: np.ndarray = (SCALE * score).astype(np.float32)
        return scaled

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        with torch.inference_mode():
            return self.scorer.embeddings(texts, self.counter)
