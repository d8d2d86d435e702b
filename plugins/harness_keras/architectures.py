"""Which architectures KerasHub reads from a Transformers folder, and what in their configurations it would ignore.

Nothing is imported but the core: the plan asks before a framework is there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

ENCODERS = ("bert",)
DECODERS = ("gpt2", "llama", "qwen2", "qwen3")
"""Their numbers are Transformers' own; KerasHub rounds Mistral's embeddings to 16 bits, and has others untried."""
ACTIVATIONS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "gelu": ("gelu", {"approximate": False}),
    "gelu_new": ("gelu", {"approximate": True}),
    "gelu_pytorch_tanh": ("gelu", {"approximate": True}),
    "relu": ("relu", {}),
    "silu": ("silu", {}),
}
"""Transformers' name: Keras's and its arguments."""

_EXPECTED: Mapping[str, Mapping[str, Any]] = {
    "bert": {"position_embedding_type": "absolute"},
    "gpt2": {
        "scale_attn_weights": True,
        "scale_attn_by_inverse_layer_idx": False,
        "add_cross_attention": False,
        "tie_word_embeddings": True,
    },
    "llama": {"attention_bias": False, "mlp_bias": False},
    "qwen2": {"use_sliding_window": False},
    "qwen3": {"attention_bias": False, "use_sliding_window": False},
}
"""What the conversion takes for granted; a field that is missing has this value in Transformers too."""


def hinders(config: Mapping[str, Any]) -> str:
    """What in a `config.json` cannot be had here; empty where everything is read."""
    sort = str(config.get("model_type") or "")
    if sort not in _EXPECTED:
        return f"a {sort or 'nameless'!r} model is not read"
    for name, expected in _EXPECTED[sort].items():
        if config.get(name, expected) != expected:
            return f"{name} = {config[name]!r} is not read"
    if (name := activation(config)) not in ACTIVATIONS:
        return f"the activation {name!r} is not known"
    if sort in DECODERS:
        return _width(config) if sort == "gpt2" else _heads(config) or _turning(config)
    return ""


def activation(config: Mapping[str, Any]) -> str:
    if config.get("model_type") == "gpt2":
        return str(config.get("activation_function", "gelu_new"))
    return str(config.get("hidden_act", "gelu" if config.get("model_type") == "bert" else "silu"))


def epsilon(config: Mapping[str, Any]) -> float:
    """Of the norms."""
    names = {"layer_norm_eps": 1e-12, "layer_norm_epsilon": 1e-5, "rms_norm_eps": 1e-6}
    own = {"bert": "layer_norm_eps", "gpt2": "layer_norm_epsilon"}.get(str(config.get("model_type")), "rms_norm_eps")
    return float(config.get(own, names[own]))


def turning(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """How positions turn queries and keys; Transformers wrote it as `rope_scaling` before its version 5."""
    found = config.get("rope_parameters") or config.get("rope_scaling") or {}
    return found if isinstance(found, Mapping) else {"rope_type": found}


def _width(config: Mapping[str, Any]) -> str:
    width, inner = config.get("n_embd"), config.get("n_inner")
    fits = isinstance(width, int) and inner in (None, 4 * width)
    return "" if fits else f"n_inner = {inner!r} is not 4 times the hidden size"


def _heads(config: Mapping[str, Any]) -> str:
    size, width, heads = (config.get(name) for name in ("head_dim", "hidden_size", "num_attention_heads"))
    if not isinstance(width, int) or not isinstance(heads, int) or heads < 1:
        return "it does not tell its heads"
    if config["model_type"] != "qwen3" and size not in (None, width // heads):
        return f"head_dim = {size!r} is not the hidden size over the heads"
    sorts = {*(config.get("layer_types") or ()), "full_attention"}
    return "" if len(sorts) == 1 else f"layers of sort {', '.join(sorted(sorts))} are not read"


def _turning(config: Mapping[str, Any]) -> str:
    given = turning(config)
    sort = given.get("rope_type", given.get("type", "default"))
    if sort not in (("default", "llama3") if config["model_type"] == "llama" else ("default",)):
        return f"positions of sort {sort!r} are not read"
    share = given.get("partial_rotary_factor", config.get("partial_rotary_factor", 1.0))
    return "" if share in (None, 1, 1.0) else f"partial_rotary_factor = {share!r} is not read"
