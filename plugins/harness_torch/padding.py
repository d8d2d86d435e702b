"""Token sequences to padded tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.items import Ids


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
