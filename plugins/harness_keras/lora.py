"""Low-rank adapters as peft makes them: put in before training, merged into the weights before anything is answered.

KerasHub's own `enable_lora` is another family of functions: it gives every head an A of its own and trains the biases.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.plugin import Lora
from harness_keras.framework import keras


class LowRank:
    """x·W + b + (alpha / rank)·x·A·B; A [in, rank] is shared by the heads, B is [rank, heads, size] and starts at 0.

    It stands in a built layer where a projection stood, which Keras allows to what has no state that it tracks.
    """

    def __init__(self, dense: Any, lora: Lora, random: np.random.Generator) -> None:
        self.dense, self.scale = dense, lora.alpha / lora.rank
        width, *heads = dense.kernel.shape
        bound = width**-0.5  # kaiming_uniform with a = sqrt(5)
        self.a = keras.Variable(random.uniform(-bound, bound, (width, lora.rank)), dtype="float32", name="a")
        self.b = keras.Variable(np.zeros((lora.rank, *heads)), dtype="float32", name="b")

    def __call__(self, x: Any) -> Any:
        found = self.dense(x)
        x, a, b = (keras.ops.cast(each, found.dtype) for each in (x, self.a, self.b))
        return found + self.scale * keras.ops.tensordot(keras.ops.matmul(x, a), b, 1)

    def merge(self) -> None:
        self.dense.kernel.assign_add(self.scale * keras.ops.tensordot(self.a, self.b, 1))


class Adapters:
    """Adapters on the named projections of every layer of a model."""

    def __init__(self, model: Any, lora: Lora, seed: int) -> None:
        random = np.random.default_rng(seed)
        self._places = [
            (layer._self_attention_layer, f"_{target}_dense")
            for layer in model.transformer_layers
            for target in lora.targets
        ]
        self._layers = [LowRank(getattr(attention, name), lora, random) for attention, name in self._places]
        for (attention, name), layer in zip(self._places, self._layers, strict=True):
            setattr(attention, name, layer)

    @property
    def weights(self) -> dict[str, Any]:
        return {f"{n}.{v.name}": v for n, layer in enumerate(self._layers) for v in (layer.a, layer.b)}

    def merge(self) -> None:
        """The same function in the base architecture."""
        for (attention, name), layer in zip(self._places, self._layers, strict=True):
            layer.merge()
            setattr(attention, name, layer.dense)
