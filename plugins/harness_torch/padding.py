"""Texts side by side in a rectangle, the shorter ones filled up: what every model reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.items import BATCH_TOKENS, Ids
from harness.training import length_batches


class Padded:
    """Token ids and mask, both [n, longest], padded on the right."""

    def __init__(self, texts: Sequence[Ids], types: Sequence[Ids] | None, pad: int, device: torch.device) -> None:
        self.ids, self.mask, self.lengths = padded(texts, pad, device)
        self.arguments: dict[str, Any] = {"attention_mask": self.mask}
        if types is not None:
            self.arguments["token_type_ids"] = padded(types, 0, device)[0]

    @staticmethod
    def batches(lengths: Sequence[int]) -> list[list[int]]:
        return length_batches(lengths, BATCH_TOKENS)

    def mean(self, states: Tensor) -> Tensor:
        return mean_pooled(states, self.mask, self.lengths)

    def first(self, states: Tensor) -> Tensor:
        return states[:, 0].float()


def padded(ids: Sequence[Ids], pad: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Token ids and mask, both [n, longest], and lengths [n]; padded on the right."""
    longest = max(map(len, ids))
    inputs = torch.tensor([[*each, *[pad] * (longest - len(each))] for each in ids], device=device)
    lengths = torch.tensor([len(each) for each in ids], device=device)
    mask = (torch.arange(longest, device=device) < lengths[:, None]).long()
    return inputs, mask, lengths


def mean_pooled(states: Tensor, mask: Tensor, lengths: Tensor) -> Tensor:
    """Mean of the real tokens' states: [n, d]."""
    return (states.float() * mask[..., None]).sum(1) / lengths[:, None]
