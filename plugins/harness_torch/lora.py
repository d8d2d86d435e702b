"""Low-rank adapters by peft: put in before training, merged into the weights unless those are held in 4 bits."""

from __future__ import annotations

from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from torch import nn

from harness.plugin import Lora
from harness_torch.capabilities import LORA_TARGETS
from harness_torch.four_bit import quantised


def with_adapters(model: nn.Module, lora: Lora, device: torch.device) -> Any:
    """The model with frozen weights and trainable adapters on the named projections; what is 4-bit, on the device."""
    if lora.four_bit:
        model = quantised(model, device)
    names = LORA_TARGETS[model.config.model_type]  # type: ignore[union-attr, index]
    targets = sorted({names[target] for target in lora.targets})
    config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0)
    return get_peft_model(model, config)  # type: ignore[arg-type]


def merged(model: Any) -> nn.Module:
    """The same function in the base architecture; every weight trainable again."""
    plain: nn.Module = model.merge_and_unload()
    return plain.requires_grad_(True)
