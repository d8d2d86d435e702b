"""What the backend offers for a family of models, and where it would run; torch is not imported."""

from __future__ import annotations

import importlib.util
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

FOUR_BIT_DEVICES = ("cuda", "cpu")
"""bitsandbytes is made for the one, and the tests train with it on the other; on Apple's devices it is untried."""


def offers(card: ModelCard) -> frozenset[Capability]:
    """What a family of models can do for each kind; an encoder without a trained head answers nothing yet."""
    found = {f"tune:{how}:{kind}" for how in ("full", "lora", "qlora") if not _hinders(card, how) for kind in Kind}
    if card.family == "sentence-encoder":
        found |= {"embed", "read:choice", *(f"answer:{kind}" for kind in Kind)}
    elif card.family == "encoder":
        found |= {"embed", *(f"read:{kind}" for kind in Kind)}
    else:
        found |= {"score", "embed", *(f"{verb}:{kind}" for verb in ("answer", "read") for kind in Kind)}
    return frozenset(found)


def why_not(card: ModelCard, capability: Capability) -> str:
    """What hinders a way of tuning; no other verb has a reason beyond the family of the model."""
    verb, _, rest = capability.partition(":")
    return _hinders(card, rest.partition(":")[0]) if verb == "tune" else ""


def _hinders(card: ModelCard, how: str) -> str:
    """Why a model cannot be tuned so here; empty where it can."""
    if how != "full" and card.architecture not in LORA_TARGETS:
        return f"it is not known what a {card.architecture or 'nameless'!r} model calls its queries and values"
    if how == "qlora" and device_kind() not in FOUR_BIT_DEVICES:
        return f"4-bit weights need {' or '.join(FOUR_BIT_DEVICES)}, and this is {device_kind()}; lora runs here"
    if how == "qlora" and not _installed("bitsandbytes"):
        return "it needs bitsandbytes: pip install 'adapt-harness[qlora]'"
    return ""


def _installed(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def device_kind() -> str:
    """`cuda`, `mps` or `cpu`, from the system and the installed build; torch is not imported."""
    if sys.platform == "darwin" and os.uname().machine == "arm64":
        return "mps"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if not hidden and Path("/dev/nvidiactl").exists():
        needed = " ".join(metadata.requires("torch") or ())
        return "cuda" if "nvidia" in needed or "cuda" in needed else "cpu"
    return "cpu"
