"""What the backend offers for a family of models, and where it would run; TensorFlow is not imported."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path

from harness.plugin import Capability, Kind, ModelCard
from harness_keras.architectures import DECODERS, ENCODERS, hinders


def offers(card: ModelCard) -> frozenset[Capability]:
    """What a family of models can do for each kind; an encoder without a trained head answers nothing yet."""
    if refusal(card):
        return frozenset()
    found = {"embed", *(f"tune:{how}:{kind}" for how in ("full", "lora") for kind in Kind)}
    if card.family == "sentence-encoder":
        return frozenset({*found, "read:choice", *(f"answer:{kind}" for kind in Kind)})
    found |= {f"read:{kind}" for kind in Kind}
    return frozenset({*found, "score", *(f"answer:{kind}" for kind in Kind)} if card.family == "causal" else found)


def why_not(card: ModelCard, capability: Capability) -> str:
    """What this backend does not open, and what does."""
    if why := refusal(card):
        return f"{why}; the torch backend opens it"
    return "4-bit weights are trained by the torch backend" if capability.startswith("tune:qlora:") else ""


def refusal(card: ModelCard) -> str:
    """Why a model is not opened at all, as far as its card and its files here tell; empty where it is."""
    known = DECODERS if card.family == "causal" else ENCODERS
    if card.architecture not in known:
        sort = "causal models" if card.family == "causal" else "encoders"
        return f"the keras backend opens {sort} of sort {', '.join(known)}, not {card.architecture or 'nameless'!r}"
    try:
        config = json.loads((Path(card.location) / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""  # not here yet: opening it looks again
    why = hinders(config)
    return f"the keras backend does not open this {card.architecture} model: {why}" if why else ""


def device_kind() -> str:
    """`cuda` where there is a driver and the libraries that TensorFlow's wheel leaves out, else `cpu`."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not Path("/dev/nvidiactl").exists() or importlib.util.find_spec("nvidia") is None:
        return "cpu"
    return "cuda" if importlib.util.find_spec("nvidia.cudnn") is not None else "cpu"
