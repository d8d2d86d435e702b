"""What the backend offers for a family of models, and where it would run; TensorFlow is not imported."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from harness.plugin import Capability, Kind, ModelCard

ARCHITECTURES = ("bert",)
"""What KerasHub reads from a Transformers folder and this package reads layer by layer."""


def offers(card: ModelCard) -> frozenset[Capability]:
    """What a family of models can do for each kind; an encoder without a trained head answers nothing yet."""
    if card.architecture not in ARCHITECTURES or card.family == "causal":
        return frozenset()
    found = {"embed", *(f"tune:{how}:{kind}" for how in ("full", "lora") for kind in Kind)}
    if card.family == "sentence-encoder":
        return frozenset({*found, "read:choice", *(f"answer:{kind}" for kind in Kind)})
    return frozenset({*found, *(f"read:{kind}" for kind in Kind)})


def why_not(card: ModelCard, capability: Capability) -> str:
    """What this backend does not open, and what does."""
    if not offers(card):
        return f"it opens encoders of sort {', '.join(ARCHITECTURES)}; the torch backend opens the others"
    return "4-bit weights are trained by the torch backend" if capability.startswith("tune:qlora:") else ""


def device_kind() -> str:
    """`cuda` where there is a driver and the libraries that TensorFlow's wheel leaves out, else `cpu`."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not Path("/dev/nvidiactl").exists() or importlib.util.find_spec("nvidia") is None:
        return "cpu"
    return "cuda" if importlib.util.find_spec("nvidia.cudnn") is not None else "cpu"
