"""Opening weights: KerasHub converts a Transformers folder, and is put right where it reads it inexactly."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from harness.plugin import ModelError
from harness_keras.framework import keras, keras_hub

ACTIVATIONS = {
    "gelu": partial(keras.activations.gelu, approximate=False),
    "gelu_new": partial(keras.activations.gelu, approximate=True),
    "gelu_pytorch_tanh": partial(keras.activations.gelu, approximate=True),
    "relu": keras.activations.relu,
    "silu": keras.activations.silu,
}


def load_body(where: Path) -> Any:
    """The encoder, fp32; KerasHub gives every BERT the tanh form of GELU and 1e-12 in its norms, whatever it has."""
    try:
        config = json.loads((where / "config.json").read_text(encoding="utf-8"))
        model = keras_hub.models.BertBackbone.from_preset(str(where))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{where} cannot be opened: {' '.join(str(error).split())[:200]}") from None
    name, epsilon = config.get("hidden_act", "gelu"), config.get("layer_norm_eps", 1e-12)
    if name not in ACTIVATIONS or config.get("position_embedding_type", "absolute") != "absolute":
        raise ModelError(f"{where}: this BERT's activation or positions are not supported by the keras backend")
    model.embeddings_layer_norm.epsilon = epsilon
    for layer in model.transformer_layers:
        layer._feedforward_intermediate_dense.activation = ACTIVATIONS[name]
        layer._self_attention_layer_norm.epsilon = layer._feedforward_layer_norm.epsilon = epsilon
    return model
