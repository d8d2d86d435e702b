"""Causal language models: a choice is as good as the likelihood of its text after the question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from harness.items import BATCH_TOKENS, CausalItem, Ids, causal_items, continuations
from harness.plugin import Kind, Question
from harness.prompts import PROMPT_TOKENS
from harness.session import Counter
from harness.training import length_batches
from harness_torch.loading import load_causal
from harness_torch.padding import mean_pooled, padded


class CausalScorer(nn.Module):
    """Sum of the log-probabilities of a choice's tokens, given the prompt; trained as softmax over the choices."""

    def __init__(self, model: nn.Module, tokenizer: Any) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.max_tokens = 0

    @classmethod
    def open(cls, where: Path, kind: Kind) -> CausalScorer:
        return cls(load_causal(where), AutoTokenizer.from_pretrained(where))

    def begin(self, question: Question, counter: Counter) -> None:
        """Nothing is added to the model."""

    def room(self, question: Question) -> int:
        asked = "".join(question.choices)
        return self._most - self.size(asked)

    def size(self, text: str) -> int:
        return len(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    @property
    def _most(self) -> int:
        return min(PROMPT_TOKENS * self.max_tokens, self._positions)

    def _tokens(self, texts: list[str], special: bool) -> list[list[int]]:
        found: list[list[int]] = self.tokenizer(texts, add_special_tokens=special)["input_ids"]
        return found

    def _turn(self, said: str) -> str:
        chat = [{"role": "user", "content": said}]
        text: str = self.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)
        return text

    def prepare(self, questions: Sequence[Question]) -> list[CausalItem]:
        turn = self._turn if self.tokenizer.chat_template else None
        return causal_items(questions, self._tokens, turn, self._most)

    @property
    def _positions(self) -> int:
        return int(getattr(self.model.config, "max_position_embeddings", 1 << 30))  # type: ignore[union-attr, arg-type]

    def _log_likelihoods(self, prompts: Sequence[Ids], texts: Sequence[Ids], counter: Counter) -> Tensor:
        """Of each text after its prompt, in nats: [n]."""
        whole = [prompt + text for prompt, text in zip(prompts, texts, strict=True)]
        lengths = [len(ids) for ids in whole]
        batches = length_batches(lengths, BATCH_TOKENS)
        counter.count(lengths, len(batches))
        device = next(self.model.parameters()).device
        parts, order = [], []
        for rows in batches:
            inputs, mask, sizes = padded([whole[row] for row in rows], self.tokenizer.pad_token_id or 0, device)
            logits = self.model(input_ids=inputs, attention_mask=mask, use_cache=False).logits[:, :-1].float()
            losses = nn.functional.cross_entropy(logits.transpose(1, 2), inputs[:, 1:], reduction="none")
            starts = torch.tensor([len(prompts[row]) for row in rows], device=device)
            places = torch.arange(1, inputs.shape[1], device=device)
            counted = (places >= starts[:, None]) & (places < sizes[:, None])
            parts.append(-(losses * counted).sum(1))
            order += rows
        return torch.cat(parts)[torch.tensor(order, device=device).argsort()]

    def logits(self, items: Sequence[CausalItem], counter: Counter) -> Tensor:
        found = self._log_likelihoods(
            [item.prompt for item in items for _ in item.choices],
            [choice for item in items for choice in item.choices],
            counter,
        )
        rows = found.split([len(item.choices) for item in items])
        return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-torch.inf)

    def likelihoods(self, texts: Sequence[str], counter: Counter) -> np.ndarray:
        """Of texts as far as the model reads, after their first token where the tokenizer has none to begin with."""
        firsts, rests = continuations(self._tokens(list(texts), False), self.tokenizer.bos_token_id, self._most)
        found: np.ndarray = self._log_likelihoods(firsts, rests, counter).cpu().numpy()
        return found

    def embeddings(self, texts: Sequence[str], counter: Counter) -> np.ndarray:
        """Mean of the last hidden states, unit length."""
        found = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        ids = [tuple(each) for each in found]
        lengths = [len(each) for each in ids]
        batches = length_batches(lengths, BATCH_TOKENS)
        counter.count(lengths, len(batches))
        device = next(self.model.parameters()).device
        parts, order = [], []
        for rows in batches:
            inputs, mask, sizes = padded([ids[row] for row in rows], self.tokenizer.pad_token_id or 0, device)
            states = self.model(input_ids=inputs, attention_mask=mask, output_hidden_states=True).hidden_states[-1]
            parts.append(nn.functional.normalize(mean_pooled(states, mask, sizes), dim=-1))
            order += rows
        vectors: np.ndarray = torch.cat(parts)[torch.tensor(order, device=device).argsort()].cpu().numpy()
        return vectors

    def restore(self, weights: Mapping[str, Tensor], whole: bool = True) -> None:
        self.load_state_dict(dict(weights), strict=whole)
