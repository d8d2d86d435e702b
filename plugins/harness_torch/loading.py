"""Opening weights: safetensors only, fp32, attention written out."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM

from harness.plugin import ModelError
from harness_torch.packing import ATTENTION, cast_once, packs

OPTIONS = {
    "dtype": torch.float32,
    # On a CPU, PyTorch's fused attention trains slower than the plain products in bf16 (see benchmarks).
    "attn_implementation": "eager",
    "use_safetensors": True,
    "trust_remote_code": False,
}


def load_body(where: Path, device: torch.device) -> nn.Module:
    """The encoder without any head, as it is computed on such a device.

    Models stay in evaluation mode, for recipes train without dropout.
    """
    try:
        packed = packs(AutoConfig.from_pretrained(where, trust_remote_code=False).model_type, device)
        attention = {"attn_implementation": ATTENTION} if packed else {}
        model: nn.Module = AutoModel.from_pretrained(where, **OPTIONS | attention)
    except (OSError, ValueError) as error:
        raise ModelError(f"{where} cannot be opened: {' '.join(str(error).split())[:200]}") from None
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    if packed:
        cast_once(model)
    return model.eval()


def load_causal(where: Path) -> nn.Module:
    try:
        model: nn.Module = AutoModelForCausalLM.from_pretrained(where, **OPTIONS)
    except (OSError, ValueError) as error:
        raise ModelError(f"{where} cannot be opened: {' '.join(str(error).split())[:200]}") from None
    return model.eval()
