"""Plain encoders: a linear head on the pooled text; a choice is read together with its question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from harness.plugin import Kind, Question
from harness.prompts import context
from harness.training import length_batches
from harness_torch.loading import load_body
from harness_torch.padding import Ids, mean_pooled, padded
from harness_torch.session import Counter

BATCH_TOKENS = 2_048


@dataclass(frozen=True, slots=True)
class Item:
    texts: tuple[Ids, ...]
    """One for labels, one per choice otherwise."""
    types: tuple[Ids, ...]
    length: int


class EncoderScorer(nn.Module):
    """Head on mean-pooled states: one output per label, or one score per question-choice pair."""

    def __init__(self, model: nn.Module, tokenizer: Any, kind: Kind, width: int, outputs: int) -> None:
        super().__init__()
        self.model, self.tokenizer, self.kind = model, tokenizer, kind
        self.max_tokens = 0
        self.head = nn.Linear(width, outputs)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    @classmethod
    def open(cls, where: Path, kind: Kind, labels: int) -> EncoderScorer:
        model = load_body(where)
        outputs = labels if kind is Kind.CLASSIFICATION else 1
        return cls(model, AutoTokenizer.from_pretrained(where), kind, model.config.hidden_size, outputs)  # type: ignore[union-attr, arg-type]

    def begin(self, question: Question, counter: Counter) -> None:
        """The head is there from the start."""

    def room(self, question: Question) -> int:
        return self.max_tokens

    def prepare(self, questions: Sequence[Question]) -> list[Item]:
        firsts, seconds, counts = [], [], []
        for question in questions:
            choices = question.choices if self.kind is Kind.CHOICE else ()
            firsts += [context(question)] * max(1, len(choices))
            seconds += choices
            counts.append(max(1, len(choices)))
        found = self.tokenizer(
            firsts,
            seconds or None,
            truncation=True,
            max_length=self.max_tokens,
            return_token_type_ids=True,
        )
        items, start = [], 0
        for count in counts:
            texts = tuple(tuple(ids) for ids in found["input_ids"][start : start + count])
            types = tuple(tuple(ids) for ids in found["token_type_ids"][start : start + count])
            items.append(Item(texts, types, max(map(len, texts))))
            start += count
        return items

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

    def logits(self, items: Sequence[Item], counter: Counter) -> Tensor:
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

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        self.load_state_dict(dict(weights))
