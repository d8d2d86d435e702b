"""`contracts.Session` on Keras, whatever the family's scorer is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from harness.plugin import Lora, ModelError, Recipe
from harness.session import LocalSession
from harness_keras import device as devices
from harness_keras.head import Head
from harness_keras.steps import KerasSteps


class KerasSession(LocalSession):
    """The scorer has a `body` and, where its family or kind has one, a `head`."""

    def begin_tuning(self, items: Sequence[Any], targets: Sequence[int], recipe: Recipe) -> KerasSteps:
        if isinstance(recipe.trainable, Lora) and recipe.trainable.four_bit:
            raise ModelError("the keras backend does not train over 4-bit weights; the torch backend does")
        return KerasSteps(self.scorer, items, np.array(targets, np.int32), recipe, self.counter)

    def numpy(self, found: Any) -> np.ndarray:
        array: np.ndarray = found.numpy()
        return array

    def write_weights(self, file: Path) -> None:
        head = self.scorer.head.weights if self.scorer.head is not None else {}
        save_file({name: weight.numpy() for name, weight in {**self.scorer.body.weights, **head}.items()}, file)

    def read_weights(self, file: Path) -> None:
        found = load_file(file)
        if "head.weight" in found:
            self.scorer.head = Head(found["head.weight"])
        own = {**self.scorer.body.weights, **(self.scorer.head.weights if self.scorer.head is not None else {})}
        if own.keys() != found.keys():
            raise ValueError(f"its weights are not this model's: {', '.join(sorted(own.keys() ^ found.keys())[:4])}")
        for name, weight in own.items():
            weight.assign(found[name])

    def peak_device_bytes(self) -> int | None:
        return devices.peak_bytes()
