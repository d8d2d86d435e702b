"""Texts one after the other in a single row: little padding is computed, and every product is as large as it can be.

Only attention needs to know where a text ends: it is computed for texts of similar length together, the shorter ones
filled up. (Krell et al. 2021, arXiv:2107.02027, pack so for pre-training, with one mask for all.)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface

from harness.items import BATCH_TOKENS, Ids
from harness_torch.padding import mean_pooled, padded

ATTENTION = "packed"
"""The name under which Transformers finds `attend`."""

PACKED = frozenset({"bert"})
"""Architectures that take positions as given and leave all attention to `attend`."""

WASTE = 16
"""Tokens that filling up a group may cost: computing attention for one group more costs about as much (measured)."""

Group = tuple[int, int, Tensor | None]
"""How many texts follow one another, filled up to which length, and what is added to the scores of their keys."""


def packs(model_type: str, device: torch.device) -> bool:
    """Whether it pays: a GPU waits longer for the orders of one product for each group than padding takes it."""
    return model_type in PACKED and device.type == "cpu"


def is_packed(model: Any) -> bool:
    """Whether it was opened so."""
    return bool(model.config._attn_implementation == ATTENTION)


def cast_once(model: Any) -> None:
    """Under autocast, the projections of an attention share what they read in its type: each would cast it anew."""
    for layer in model.encoder.layer:
        layer.attention.self.register_forward_pre_hook(_in_autocast)


def _in_autocast(module: nn.Module, read: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    states, *others = read
    kind = states.device.type
    return (states.to(torch.get_autocast_dtype(kind)) if torch.is_autocast_enabled(kind) else states, *others)


class Packed:
    """Token ids and positions, both [1, tokens]; texts come ordered by length."""

    def __init__(self, texts: Sequence[Ids], types: Sequence[Ids] | None, pad: int, device: torch.device) -> None:
        groups = _groups([len(text) for text in texts])
        parts = [padded([texts[row] for row in rows], pad, device) for rows in groups]
        self._real = [(mask, lengths) for _, mask, lengths in parts]
        self.ids = _row([ids for ids, _, _ in parts])
        self.groups = [(*ids.shape, _added(mask)) for ids, mask, _ in parts]
        positions = [torch.arange(longest, device=device).expand(count, -1) for count, longest, _ in self.groups]
        self.arguments: dict[str, Any] = {"position_ids": _row(positions), "groups": self.groups}
        if types is not None:
            self.arguments["token_type_ids"] = _row(
                [padded([types[row] for row in rows], 0, device)[0] for rows in groups]
            )

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
        parts = zip(self._texts(states), self._real, strict=True)
        return torch.cat([mean_pooled(each, mask, lengths) for each, (mask, lengths) in parts])

    def first(self, states: Tensor) -> Tensor:
        return torch.cat([each[:, 0].float() for each in self._texts(states)])

    def _texts(self, states: Tensor) -> list[Tensor]:
        """[n, longest, d] of each group."""
        parts = states[0].split([count * longest for count, longest, _ in self.groups])
        return [part.view(count, longest, -1) for part, (count, longest, _) in zip(parts, self.groups, strict=True)]


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    groups: Sequence[Group],
    scaling: float,
    **unused: Any,
) -> tuple[Tensor, None]:
    """softmax(q·kᵀ·scaling)·v within every text: [1, heads, tokens, d] each -> [1, tokens, heads, d].

    Written out: on a CPU, PyTorch's fused attention trains slower than the plain products in bf16.
    """
    sizes = [count * longest for count, longest, _ in groups]
    heads, width = query.shape[1], query.shape[3]
    found = []
    for (count, longest, added), *parts in zip(
        groups, *(each[0].split(sizes, 1) for each in (query, key, value)), strict=True
    ):
        q, k, v = (part.view(heads, count, longest, width) for part in parts)
        scores = q @ k.transpose(-1, -2) * scaling
        if added is not None:
            scores = scores + added.to(scores.dtype)
        found.append((scores.softmax(-1) @ v).view(heads, -1, width))
    return torch.cat(found, 1).transpose(0, 1)[None], None


AttentionInterface.register(ATTENTION, attend)


def _groups(lengths: Sequence[int]) -> list[list[int]]:
    """Rows of ascending lengths, cut before filling them up to the longest would waste too much."""
    groups: list[list[int]] = []
    real = 0
    for row, length in enumerate(lengths):
        if not groups or length * len(groups[-1]) - real > WASTE:
            groups.append([])
            real = 0
        groups[-1].append(row)
        real += length
    return groups


def _added(mask: Tensor) -> Tensor | None:
    """To scores [heads, n, longest, longest]; nothing where all texts are of one length."""
    if bool(mask.all()):
        return None
    return torch.zeros(mask.shape, device=mask.device).masked_fill(mask == 0, -torch.inf)[:, None]


def _row(parts: Sequence[Tensor]) -> Tensor:
    return torch.cat([part.flatten() for part in parts])[None]
