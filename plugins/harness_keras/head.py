"""A linear layer on pooled vectors, in PyTorch's layout."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness_keras.framework import keras, tf


class Head:
    """weight float32 [outputs, width] as given; bias [outputs] from 0."""

    def __init__(self, weight: np.ndarray) -> None:
        self.weight = keras.Variable(weight, name="weight")
        self.bias = keras.Variable(np.zeros(len(weight), np.float32), name="bias")

    def __call__(self, vectors: Any) -> Any:
        return tf.matmul(vectors, self.weight.value, transpose_b=True) + self.bias.value

    @property
    def weights(self) -> dict[str, Any]:
        return {"head.weight": self.weight, "head.bias": self.bias}
