"""Low-rank adapters by peft: put in before training, merged into the weights before anything is answered."""

from __future__ import annotations

from typing import Any

from peft import LoraConfig, get_peft_model
from torch import nn

from harness.plugin import Lora, ModelError

NAMES = (
    {"query": "query", "value": "value"},
    {"query": "q_proj", "value": "v_proj"},
    {"query": "q_lin", "value": "v_lin"},
    {"query": "q", "value": "v"},
    {"query": "c_attn", "value": "c_attn"},
    {"query": "query_key_value", "value": "query_key_value"},
)
"""What architectures call the attention projections that a recipe names; GPT-2 and BLOOM hold them in one."""


def with_adapters(model: nn.Module, lora: Lora) -> Any:
    """The model with frozen weights and trainable adapters on the named projections."""
    modules = {name.rsplit(".", 1)[-1] for name, _ in model.named_modules()}
    for names in NAMES:
        targets = sorted({names[target] for target in lora.targets if target in names})
        if targets and modules.issuperset(targets):
            config = LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=targets, lora_dropout=0.0)
            return get_peft_model(model, config)  # type: ignore[arg-type]
    raise ModelError(f"{type(model).__name__} has no attention projections that LoRA knows: {', '.join(lora.targets)}")


def merged(model: Any) -> nn.Module:
    """The same function in the base architecture; every weight trainable again."""
    plain: nn.Module = model.merge_and_unload()
    return plain.requires_grad_(True)
