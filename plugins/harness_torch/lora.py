"""Low-rank adapters by peft: put in before training, merged into the weights unless those are held in 4 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.tuners_utils import BaseTunerLayer
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
    found = get_peft_model(model, config)  # type: ignore[arg-type]
    for module in found.modules():
        if isinstance(module, BaseTunerLayer):
            module.cast_input_dtype_enabled = False  # autocast does it, and adapters are in fp32 as models are
    return found


def halved(model: nn.Module) -> Callable[[], None]:
    """Hold the frozen weights of linear layers in bf16, as autocast would cast them anew at every step, until what is
    returned is called. Those that are words too stay as they are, for words are looked up in fp32."""
    words = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    whole = [(each, each.weight) for each in layers if not each.weight.requires_grad and id(each.weight) not in words]
    for layer, weight in whole:
        layer.weight = nn.Parameter(weight.to(torch.bfloat16), requires_grad=False)

    def undo() -> None:
        for layer, weight in whole:
            layer.weight = weight

    return undo


def merged(model: Any) -> nn.Module:
    """The same function in the base architecture; every weight trainable again."""
    plain: nn.Module = model.merge_and_unload()
    return plain.requires_grad_(True)
