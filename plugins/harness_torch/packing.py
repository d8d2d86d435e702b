"""Texts one after the other in a single row: no padding is computed, and every product is as large as it can be.

Only attention needs to know where a text ends: it is computed for all texts of one length together, without a mask.
(Krell et al. 2021, arXiv:2107.02027, pack so for pre-training, with one.)
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from harness.items import BATCH_TOKENS, Ids

ATTENTION = "packed"
"""The name under which Transformers finds `attend`."""

PACKED = frozenset({"bert"})
"""Architectures that take positions as given and leave all attention to `attend`."""

Shapes = list[tuple[int, int]]
"""How many texts of which length follow one another."""


def packs(model_type: str, device: torch.device) -> bool:
    """Whether it pays: a GPU waits longer for the orders of one product for each length than padding takes it."""
    return model_type in PACKED and device.type == "cpu"


def is_packed(model: Any) -> bool:
    """Whether it was opened so."""
    return bool(model.config._attn_implementation == ATTENTION)


class Packed:
    """Token ids and positions, both [1, tokens]; texts come ordered by length."""

    def __init__(self, texts: Sequence[Ids], types: Sequence[Ids] | None, pad: int, device: torch.device) -> None:
        self.shapes = [(len(list(same)), length) for length, same in groupby(map(len, texts))]
        self.ids = _row(texts, device)
        positions = _row([range(len(text)) for text in texts], device)
        self.arguments: dict[str, Any] = {"position_ids": positions, "shapes": self.shapes}
        if types is not None:
            self.arguments["token_type_ids"] = _row(types, device)

    @staticmethod
    def batches(lengths: Sequence[int]) -> list[list[int]]:
        """Positions sorted by length, cut before a batch is too large (one row at least)."""
        batches: list[list[int]] = []
        room = 0
        for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
            if room < lengths[row]:
                batches.append([])
                room = BATCH_TOKENS
            batches[-1].append(row)
            room -= lengths[row]
        return batches

    def mean(self, states: Tensor) -> Tensor:
        return torch.cat([each.float().mean(1) for each in self._texts(states)])

    def first(self, states: Tensor) -> Tensor:
        return torch.cat([each[:, 0].float() for each in self._texts(states)])

    def _texts(self, states: Tensor) -> list[Tensor]:
        """[n, length, d] of each length."""
        parts = states[0].split([count * length for count, length in self.shapes])
        return [part.view(*shape, -1) for part, shape in zip(parts, self.shapes, strict=True)]


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    shapes: Shapes,
    scaling: float,
    **unused: Any,
) -> tuple[Tensor, None]:
    """softmax(q·kᵀ·scaling)·v within every text: [1, heads, tokens, d] each -> [1, tokens, heads, d].

    Written out: on a CPU, PyTorch's fused attention trains slower than the plain products in bf16.
    """
    sizes = [count * length for count, length in shapes]
    heads, width = query.shape[1], query.shape[3]
    found = []
    for shape, *parts in zip(shapes, *(each[0].split(sizes, 1) for each in (query, key, value)), strict=True):
        q, k, v = (part.view(heads, *shape, width) for part in parts)
        weights = (q @ k.transpose(-1, -2) * scaling).softmax(-1, dtype=torch.float32).to(v.dtype)
        found.append((weights @ v).view(heads, -1, width))
    return torch.cat(found, 1).transpose(0, 1)[None], None


AttentionInterface.register(ATTENTION, attend)


def _row(parts: Sequence[Sequence[int]], device: torch.device) -> Tensor:
    return torch.tensor([[each for part in parts for each in part]], device=device)
