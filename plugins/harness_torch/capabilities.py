"""What the backend offers for a family of models, and where it would run; torch is not imported."""

from __future__ import annotations

import os
import sys
from importlib import metadata
from pathlib import Path

from harness.plugin import Capability, Kind, ModelCard

_PROJECTIONS = {
    ("query", "value"): ("bert", "roberta", "xlm-roberta", "camembert", "electra", "albert", "ernie"),
    ("q_proj", "v_proj"): (
        *("llama", "mistral", "mixtral", "qwen2", "qwen3", "gemma", "gemma2", "gemma3_text", "opt", "phi"),
        *("olmo", "olmo2", "granite", "smollm3", "starcoder2", "stablelm", "cohere"),
    ),
    ("q_lin", "v_lin"): ("distilbert",),
    ("q", "v"): ("mpnet",),
    ("query_proj", "value_proj"): ("deberta-v2",),
    ("Wqkv", "Wqkv"): ("modernbert",),
    ("c_attn", "c_attn"): ("gpt2",),
    ("query_key_value", "query_key_value"): ("gpt_neox", "bloom", "falcon"),
}
LORA_TARGETS = {
    architecture: {"query": query, "value": value}
    for (query, value), architectures in _PROJECTIONS.items()
    for architecture in architectures
}
"""What architectures call the attention projections that a recipe names; some hold them in one."""


def offers(card: ModelCard) -> frozenset[Capability]:
    """What a family of models can do for each kind; an encoder without a trained head answers nothing yet."""
    ways = ("full", "lora") if card.architecture in LORA_TARGETS else ("full",)
    found = {f"tune:{how}:{kind}" for how in ways for kind in Kind}
    if card.family == "sentence-encoder":
        found |= {"embed", "read:choice", *(f"answer:{kind}" for kind in Kind)}
    elif card.family == "encoder":
        found |= {"embed", *(f"read:{kind}" for kind in Kind)}
    else:
        found |= {"score", "embed", *(f"{verb}:{kind}" for verb in ("answer", "read") for kind in Kind)}
    return frozenset(found)


def device_kind() -> str:
    """`cuda`, `mps` or `cpu`, from the system and the installed build; torch is not imported."""
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return "mps"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if not hidden and Path("/dev/nvidiactl").exists():
        needed = " ".join(metadata.requires("torch") or ())
        return "cuda" if "nvidia" in needed or "cuda" in needed else "cpu"
    return "cpu"
