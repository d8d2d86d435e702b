"""What the tests of every backend train with, and how they look at the answers."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.types import AllWeights, Example, Lora, Recipe


def recipe(trainable: AllWeights | Lora, most_epochs: int, /, **changes: Any) -> Recipe:
    """For tiny checkpoints on the tiny task: enough to learn it, and never stopped early."""
    fields: dict[str, Any] = {
        "trainable": trainable,
        "epochs": most_epochs,
        "lr": 2e-2 if isinstance(trainable, Lora) else 5e-3,
        "batch_size": 4,
        "warmup": 0.1,
        "weight_decay": 0.0,
        "patience": most_epochs,
        "max_tokens": 64,
        "seed": 0,
    }
    return Recipe(**{**fields, **changes})


def scores(session: Any, rows: tuple[Example, ...]) -> np.ndarray:
    """[n, choices]"""
    return np.stack(session.answer([example.question for example in rows]).scores)
