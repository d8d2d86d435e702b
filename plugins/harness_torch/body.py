"""An encoder as one function: texts in, one pooled vector each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from harness.items import Ids
from harness.session import Counter
from harness_torch.packing import Packed, is_packed
from harness_torch.padding import Padded


def pooled(
    model: Any, texts: Sequence[Ids], counter: Counter, *, pad: int, pooling: str, types: Sequence[Ids] | None = None
) -> Tensor:
    """float32 [n, d] in the order given, in batches of similar length; `pooling` is `mean` or `cls`."""
    lengths = [len(ids) for ids in texts]
    words = model.get_input_embeddings()
    device = words.weight.device
    shape = Packed if is_packed(model) else Padded
    if getattr(model.config, "type_vocab_size", 0) < 2:
        types = None
    batches = shape.batches(lengths)
    counter.count(lengths, len(batches))
    shaped = [
        shape([texts[row] for row in rows], types and [types[row] for row in rows], pad, device) for rows in batches
    ]
    # One look-up for all batches: its gradient is as large as the whole vocabulary.
    looked_up = words(torch.cat([each.ids.flatten() for each in shaped])).split([each.ids.numel() for each in shaped])
    parts = []
    for each, embedded in zip(shaped, looked_up, strict=True):
        embedded = embedded.view(*each.ids.shape, -1)
        states = model(inputs_embeds=embedded, **each.arguments).last_hidden_state
        parts.append(each.first(states) if pooling == "cls" else each.mean(states))
    order = torch.tensor([row for rows in batches for row in rows], device=device)
    return torch.cat(parts)[order.argsort()]
