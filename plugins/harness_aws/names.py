"""Deployments by our own names, the same whenever one is rented: by its ARN each would be another model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

DEPLOYED = "custom-model-deployment/"
"""How a name begins that stands for a deployment of ours; what follows is its label."""


class Names:
    def __init__(self, control: Callable[[], Any]) -> None:
        """`control`: opens a client that is asked only where there is such a name."""
        self._control = control
        self._known: dict[str, str] = {}

    def of(self, model: str) -> str:
        """What the runtime calls it."""
        if not model.startswith(DEPLOYED):
            return model
        if model not in self._known:
            label = model.removeprefix(DEPLOYED)
            found = self._control().get_custom_model_deployment(customModelDeploymentIdentifier=label)
            self._known[model] = found["customModelDeploymentArn"]
        return self._known[model]
