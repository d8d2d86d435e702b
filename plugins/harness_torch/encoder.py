"""Plain encoders: a linear head on the pooled text; a choice is read together with its question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from harness.items import Encoded, Ids, PairItem, pair_items
from harness.plugin import Kind, Question
from harness.session import Counter
from harness.training import initial_head
from harness_torch.body import pooled
from harness_torch.loading import load_body


class EncoderScorer(nn.Module):
    """Head on mean-pooled states: one output per label, or one score per question-choice pair."""

    def __init__(self, model: nn.Module, tokenizer: Any, kind: Kind, head: np.ndarray) -> None:
        super().__init__()
        self.model, self.tokenizer, self.kind = model, tokenizer, kind
        self.max_tokens = 0
        outputs, width = head.shape
        self.head = nn.Linear(width, outputs)
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(head))
            self.head.bias.zero_()

    @classmethod
    def open(cls, where: Path, kind: Kind, labels: int, seed: int, device: torch.device) -> EncoderScorer:
        model = load_body(where, device)
        outputs = labels if kind is Kind.CLASSIFICATION else 1
        head = initial_head(model.config.hidden_size, outputs, seed)  # type: ignore[union-attr, arg-type]
        return cls(model, AutoTokenizer.from_pretrained(where), kind, head)

    def begin(self, question: Question, counter: Counter) -> None:
        """The head is there from the start."""

    def room(self, question: Question) -> int:
        return self.max_tokens

    def size(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def prepare(self, questions: Sequence[Question]) -> list[PairItem]:
        return pair_items(questions, self.kind, self._encode)

    def _encode(self, firsts: list[str], seconds: list[str] | None) -> Encoded:
        found = self.tokenizer(firsts, seconds, truncation=True, max_length=self.max_tokens, return_token_type_ids=True)
        return found["input_ids"], found["token_type_ids"]

    def _pooled(self, texts: Sequence[Ids], types: Sequence[Ids], counter: Counter) -> Tensor:
        pad = self.tokenizer.pad_token_id or 0
        return pooled(self.model, texts, counter, pad=pad, pooling="mean", types=types)

    def logits(self, items: Sequence[PairItem], counter: Counter) -> Tensor:
        read = self._pooled(
            [ids for item in items for ids in item.texts], [ids for item in items for ids in item.types], counter
        )
        with torch.autocast(read.device.type, enabled=False):
            found: Tensor = self.head(read)
        if self.kind is Kind.CLASSIFICATION:
            return found
        rows = found[:, 0].split([len(item.texts) for item in items])
        return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-torch.inf)

    def embeddings(self, texts: Sequence[str], counter: Counter) -> np.ndarray:
        found = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        ids = [tuple(each) for each in found]
        read = self._pooled(ids, [(0,) * len(each) for each in ids], counter)
        vectors: np.ndarray = nn.functional.normalize(read, dim=-1).cpu().numpy()
        return vectors

    def restore(self, weights: Mapping[str, Tensor], whole: bool = True) -> None:
        self.load_state_dict(dict(weights), strict=whole)
