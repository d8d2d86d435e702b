"""Plain encoders: a linear head on the pooled text; a choice is read together with its question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from harness.items import BATCH_TOKENS, Encoded, Ids, PairItem, pair_items
from harness.plugin import Kind, Question
from harness.session import Counter
from harness.training import initial_head, length_batches
from harness_torch.loading import load_body
from harness_torch.padding import mean_pooled, padded


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
    def open(cls, where: Path, kind: Kind, labels: int, seed: int) -> EncoderScorer:
        model = load_body(where)
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
        """[n, d] in the order given, in batches of similar length."""
        lengths = [len(ids) for ids in texts]
        counter.count(lengths)
        device = self.head.weight.device
        parts, order = [], []
        for rows in length_batches(lengths, BATCH_TOKENS):
            inputs, mask, sizes = padded([texts[row] for row in rows], self.tokenizer.pad_token_id or 0, device)
            arguments = {"input_ids": inputs, "attention_mask": mask}
            if getattr(self.model.config, "type_vocab_size", 0) > 1:  # type: ignore[union-attr]
                arguments["token_type_ids"] = padded([types[row] for row in rows], 0, device)[0]
            parts.append(mean_pooled(self.model(**arguments).last_hidden_state, mask, sizes))
            order += rows
        return torch.cat(parts)[torch.tensor(order, device=device).argsort()]

    def logits(self, items: Sequence[PairItem], counter: Counter) -> Tensor:
        pooled = self._pooled(
            [ids for item in items for ids in item.texts], [ids for item in items for ids in item.types], counter
        )
        with torch.autocast(pooled.device.type, enabled=False):
            found: Tensor = self.head(pooled)
        if self.kind is Kind.CLASSIFICATION:
            return found
        rows = found[:, 0].split([len(item.texts) for item in items])
        return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-torch.inf)

    def embeddings(self, texts: Sequence[str], counter: Counter) -> np.ndarray:
        found = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        ids = [tuple(each) for each in found]
        pooled = self._pooled(ids, [(0,) * len(each) for each in ids], counter)
        vectors: np.ndarray = nn.functional.normalize(pooled, dim=-1).cpu().numpy()
        return vectors

    def restore(self, weights: Mapping[str, Tensor], whole: bool = True) -> None:
        self.load_state_dict(dict(weights), strict=whole)
