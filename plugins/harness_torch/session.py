"""`contracts.Session` on PyTorch, whatever the family's scorer is."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.plugin import Lora, ModelCard, Recipe
from harness.session import LocalSession
from harness_torch import device as devices
from harness_torch import kept
from harness_torch.steps import TorchSteps


class TorchSession(LocalSession):
    """The scorer is an `nn.Module` whose `model` can be given adapters."""

    def __init__(self, scorer: Any, card: ModelCard, device: torch.device) -> None:
        super().__init__(scorer.eval(), card)
        self.device, self._placed = device, False
        self._over_four_bit: Lora | None = None

    def begin_tuning(self, items: Sequence[Any], targets: Sequence[int], recipe: Recipe) -> TorchSteps:
        if isinstance(recipe.trainable, Lora) and recipe.trainable.four_bit:
            self._over_four_bit = recipe.trainable
        return TorchSteps(self.scorer, items, torch.tensor(targets, device=self.device), recipe, self.counter)

    def inference(self) -> contextlib.AbstractContextManager[Any]:
        # Weights go to the device when they are first needed there: what becomes 4-bit never lies there whole.
        if not self._placed:
            self.scorer.to(self.device)
            self._placed = True
        return torch.inference_mode()

    def as_trained(self) -> contextlib.AbstractContextManager[Any]:
        return devices.mixed(self.device)

    def numpy(self, found: Any) -> np.ndarray:
        array: np.ndarray = found.cpu().numpy() if isinstance(found, torch.Tensor) else found
        return array

    def write_weights(self, file: Path) -> None:
        kept.write(self.scorer, self._over_four_bit, file)

    def read_weights(self, file: Path) -> None:
        self._over_four_bit = kept.read(self.scorer, file, self.device)
        self._placed = False  # a head may have come with them

    def peak_device_bytes(self) -> int | None:
        return devices.peak_bytes(self.device)
