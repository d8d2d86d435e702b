"""Low-rank adapters as peft makes them: put in before training, merged into the weights before anything is answered.

KerasHub's own `enable_lora` is another family of functions: it gives every head an A of its own and trains the biases.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.plugin import Lora
from harness_keras.framework import keras, keras_hub

PROJECTIONS = ("query", "key", "value")
FUSED = (keras_hub.models.GPT2Backbone,)
"""What Transformers holds the projections of in one matrix, so that peft puts one adapter on all of them."""


class LowRank:
    """x·W + b + (alpha / rank)·x·A·B; A [in, rank] is shared by the heads, B is [rank, heads, size] and starts at 0.

    It stands in a built layer where a projection stood, which Keras allows to what has no state that it tracks.
    """

    def __init__(self, dense: Any, lora: Lora, a: Any) -> None:
        self.dense, self.scale, self.a = dense, lora.alpha / lora.rank, a
        self.b = keras.Variable(np.zeros((lora.rank, *dense.kernel.shape[1:])), dtype="float32", name="b")

    def __call__(self, x: Any) -> Any:
        found = self.dense(x)
        x, a, b = (keras.ops.cast(each, found.dtype) for each in (x, self.a, self.b))
        return found + self.scale * keras.ops.tensordot(keras.ops.matmul(x, a), b, 1)

    def merge(self) -> None:
        self.dense.kernel.assign_add(self.scale * keras.ops.tensordot(self.a, self.b, 1))


class Adapters:
    """Adapters on the named projections of every layer of a model.

    Where peft adapts queries, keys and values as one, they share one A.
    """

    def __init__(self, model: Any, lora: Lora, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._places: list[tuple[Any, str]] = []
        self._layers: list[LowRank] = []
        self.weights: dict[str, Any] = {}
        for layer in model.transformer_layers:
            for targets in [PROJECTIONS] if isinstance(model, FUSED) else [(target,) for target in lora.targets]:
                self._put(layer._self_attention_layer, targets, lora, random)

    def _put(self, attention: Any, targets: Sequence[str], lora: Lora, random: np.random.Generator) -> None:
        """One A for all targets; it is named by the first of them."""
        names = [f"_{target}_dense" for target in targets]
        width = getattr(attention, names[0]).kernel.shape[0]
        bound = width**-0.5  # kaiming_uniform with a = sqrt(5)
        a = keras.Variable(random.uniform(-bound, bound, (width, lora.rank)), dtype="float32", name="a")
        self.weights[f"{len(self._layers)}.a"] = a
        for name in names:
            layer = LowRank(getattr(attention, name), lora, a)
            self.weights[f"{len(self._layers)}.b"] = layer.b
            self._places.append((attention, name))
            self._layers.append(layer)
            setattr(attention, name, layer)

    def merge(self) -> None:
        """The same function in the base architecture."""
        for (attention, name), layer in zip(self._places, self._layers, strict=True):
            layer.merge()
            setattr(attention, name, layer.dense)
