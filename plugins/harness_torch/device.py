"""Where tensors live, and where bf16 pays."""

from __future__ import annotations

import contextlib

import torch


def pick() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def trains_in_bf16(device: torch.device) -> bool:
    """Whether the hardware multiplies bf16 matrices, so that autocast is faster and not merely possible."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return device.type == "cpu" and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def mixed(device: torch.device) -> contextlib.AbstractContextManager[object]:
    """Autocast for forward passes in training and between its epochs; weights, optimiser and losses stay in fp32."""
    if trains_in_bf16(device):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return contextlib.nullcontext()


def peak_bytes(device: torch.device) -> int | None:
    if device.type != "cuda":
        return None
    peak = torch.cuda.max_memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    return peak
