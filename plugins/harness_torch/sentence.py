"""Sentence encoders: a choice is as good as its similarity to the question, and to what is read in passages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from harness.items import Ids, SentenceItem, places, sentence_items
from harness.plugin import Kind, Question
from harness.prompts import SCALE
from harness.session import CachedSentences, Counter
from harness_torch.body import pooled
from harness_torch.loading import load_body
from harness_torch.session import TorchSession


class SentenceScorer(nn.Module):
    """Similarity to each choice; for labels, to a head whose rows start as the labels' own embeddings."""

    def __init__(self, model: nn.Module, tokenizer: Any, pooling: str, kind: Kind) -> None:
        super().__init__()
        self.model, self.tokenizer, self.pooling, self.kind = model, tokenizer, pooling, kind
        self.max_tokens = 0
        self.head: nn.Linear | None = None

    @classmethod
    def open(cls, where: Path, kind: Kind, pooling: str, device: torch.device) -> SentenceScorer:
        return cls(load_body(where, device), AutoTokenizer.from_pretrained(where), pooling, kind)

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

    def prepare(self, questions: Sequence[Question]) -> list[SentenceItem]:
        return sentence_items(questions, self.kind, self.tokens)

    def vectors(self, ids: Sequence[Ids], counter: Counter) -> Tensor:
        """Unit-length vectors of token sequences, float32 [n, d]."""
        found = pooled(self.model, ids, counter, pad=self.tokenizer.pad_token_id, pooling=self.pooling)
        return nn.functional.normalize(found, dim=-1)

    def logits(self, items: Sequence[SentenceItem], counter: Counter) -> Tensor:
        if self.kind is Kind.CLASSIFICATION:
            assert self.head is not None
            found = self.vectors([item.question for item in items], counter)
            with torch.autocast(found.device.type, enabled=False):
                return SCALE * self.head(found)  # type: ignore[no-any-return]
        place = places(items)
        found = self.vectors(list(place), counter)
        most = max(len(item.choices) for item in items)
        with torch.autocast(found.device.type, enabled=False):
            rows = [SCALE * _similarity(item, found, place) for item in items]
        return torch.stack([nn.functional.pad(row, (0, most - len(row)), value=-torch.inf) for row in rows])

    def embeddings(self, texts: Sequence[str], counter: Counter) -> np.ndarray:
        found: np.ndarray = self.vectors(self.tokens(texts), counter).cpu().numpy()
        return found

    def restore(self, weights: Mapping[str, Tensor], whole: bool = True) -> None:
        if "head.weight" in weights:
            labels, width = weights["head.weight"].shape
            self.head = nn.Linear(width, labels)
        self.load_state_dict(dict(weights), strict=whole)


def _similarity(item: SentenceItem, found: Tensor, place: Mapping[Ids, int]) -> Tensor:
    """[choices]; see `prompts.sentences` for the formula."""
    choices = found[[place[ids] for ids in item.choices]]
    score = choices @ found[place[item.question]]
    if not item.sentences:
        return score
    read = choices @ found[[place[ids] for ids in item.sentences]].T
    best = (read * torch.tensor(item.weights, device=read.device)).amax(1)
    return (1 - item.reading) * score + item.reading * best


class SentenceSession(CachedSentences, TorchSession):
    """A sentence encoder on PyTorch."""
