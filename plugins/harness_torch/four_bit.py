"""Weights in 4 bits by bitsandbytes: what is frozen under QLoRA's adapters, and stays so when it answers."""

from __future__ import annotations

import hashlib
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D


def quantised(model: Any, device: torch.device) -> Any:
    """The model with its linear layers in NF4, scales quantised again; it computes in fp32 or what autocast says.

    Embeddings, norms and the output layer keep their precision, as in the paper (Dettmers et al. 2023,
    arXiv:2305.14314). Each layer goes to the device by itself, so that the weights never lie there whole.
    """
    output = model.get_output_embeddings()
    for name, layer in list(model.named_modules()):
        if type(layer) in (nn.Linear, Conv1D) and layer is not output:
            parent, _, own = name.rpartition(".")
            setattr(model.get_submodule(parent), own, _four_bit(layer).to(device))
    model.is_loaded_in_4bit = True  # peft asks for it
    return model


def _four_bit(layer: Any) -> Any:
    from bitsandbytes.nn import Linear4bit, Params4bit

    weight, bias = layer.weight.data.cpu(), layer.bias
    if isinstance(layer, Conv1D):
        weight = weight.T.contiguous()
    outputs, inputs = weight.shape
    with torch.device("meta"):
        found = Linear4bit(inputs, outputs, bias=bias is not None, compute_dtype=torch.float32, quant_type="nf4")
    found.weight = Params4bit(weight, quant_type="nf4", compress_statistics=True, module=found)
    if bias is not None:
        found.bias = nn.Parameter(bias.data, requires_grad=False)
    # Else it repacks weights for bf16 products when it first answers, and training goes on without their gradients.
    found.support_avx512bf16_for_cpu = False
    return found.train(layer.training)


def fingerprint(model: nn.Module) -> str:
    """Of the 4-bit weights: adapters answer alike only over the same."""
    from bitsandbytes.nn import Linear4bit

    running = hashlib.sha256()
    for name, layer in model.named_modules():
        if isinstance(layer, Linear4bit):
            running.update(name.encode())
            state = layer.weight.quant_state
            for part in (layer.weight.data, state.absmax, state.state2.absmax, state.offset):
                running.update(part.cpu().numpy().tobytes())
    return running.hexdigest()
