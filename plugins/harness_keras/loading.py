"""Opening weights: KerasHub converts a Transformers folder, and is put right where it reads it inexactly."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from harness.plugin import ModelError
from harness_keras.architectures import ACTIVATIONS, activation, epsilon, hinders, turning
from harness_keras.framework import keras, keras_hub

TURNING = {
    "frequency_adjustment_factor": "factor",
    "low_freq_factor": "low_freq_factor",
    "high_freq_factor": "high_freq_factor",
    "pretraining_sequence_length": "original_max_position_embeddings",
}
"""KerasHub's names and Transformers' for Llama 3's longer waves; only the older files' are converted."""


def load_backbone(where: Path) -> Any:
    """The model without a head, fp32; its norms, activation and positions as its configuration has them."""
    try:
        config = json.loads((where / "config.json").read_text(encoding="utf-8"))
        why = hinders(config)
        model = None if why else keras_hub.models.Backbone.from_preset(str(where), dtype="float32")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{where} cannot be opened: {' '.join(str(error).split())[:200]}") from None
    if model is None:
        raise ModelError(f"{where} cannot be opened by the keras backend: {why}")
    name, arguments = ACTIVATIONS[activation(config)]
    function = partial(getattr(keras.activations, name), **arguments)
    for layer in model.transformer_layers:
        holder = layer if hasattr(layer, "_feedforward_gate_dense") else layer._feedforward_intermediate_dense
        holder.activation = function
    given = turning(config)
    for part in model._flatten_layers():
        if hasattr(part, "epsilon"):
            part.epsilon = epsilon(config)
        if given.get("rope_type") == "llama3" and hasattr(part, "pretraining_sequence_length"):
            for ours, theirs in TURNING.items():
                setattr(part, ours, given[theirs])
    return model
