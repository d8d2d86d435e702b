"""Counted, not timed: what a transformer's forward pass multiplies, from its sizes and the lengths of its texts."""

from __future__ import annotations

from collections.abc import Iterable

from harness.types import ModelCard


def forward(card: ModelCard, lengths: Iterable[int]) -> float:
    """FLOPs of reading texts of so many tokens: 2 per weight and token, and 4·layers·hidden per pair of positions.

    Training all weights costs 3 times as much (backward is two passes), adapters alone 2 times: no gradients of
    frozen weights (Kaplan et al. 2020, arXiv:2001.08361, section 2.1).
    """
    sizes = card.parameters, card.embedding_parameters, card.layers, card.hidden
    parameters, embedding_parameters, layers, hidden = (size for size in sizes if size is not None)
    per_token = 2.0 * (parameters - embedding_parameters)
    per_pair = 4.0 * layers * hidden
    return sum(per_token * n + per_pair * n * n for n in lengths)
