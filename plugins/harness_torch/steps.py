"""Training steps on PyTorch: AdamW, clipped gradients, bf16 by autocast where it pays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.plugin import Lora, Recipe
from harness.session import Counter
from harness.training import CLIP_NORM
from harness_torch import device as devices
from harness_torch.lora import halved, merged, with_adapters


class TorchSteps:
    """`training.Steps` on a scorer: what the recipe trains is put in here and taken out by `finish`."""

    def __init__(self, scorer: Any, items: Sequence[Any], targets: Tensor, recipe: Recipe, counter: Counter) -> None:
        self.scorer, self.items, self.targets, self.counter = scorer, items, targets, counter
        lora = recipe.trainable if isinstance(recipe.trainable, Lora) else None
        torch.manual_seed(recipe.seed)
        if lora is not None:
            scorer.model = with_adapters(scorer.model, lora, targets.device)
        scorer.to(targets.device)
        self.merges = lora is not None and not lora.four_bit
        self.make_whole = halved(scorer) if self.merges and devices.trains_in_bf16(targets.device) else None
        self.passes = 3 if lora is None else 2
        self.weights = self._trained()
        self.trainable = sum(weight.numel() for weight in self.weights.values())
        self.optimiser = torch.optim.AdamW(self._groups(recipe), weight_decay=recipe.weight_decay, fused=True)
        self.peaks = [group["lr"] for group in self.optimiser.param_groups]
        self.best: dict[str, Tensor] = {}
        self.seen = torch.zeros((), device=targets.device)

    def _trained(self) -> dict[str, nn.Parameter]:
        return {name: p for name, p in self.scorer.named_parameters() if p.requires_grad}

    def _groups(self, recipe: Recipe) -> list[dict[str, Any]]:
        head = [p for name, p in self.weights.items() if name.startswith("head.")]
        body = [p for name, p in self.weights.items() if not name.startswith("head.")]
        return [
            group
            for group in ({"params": body, "lr": recipe.lr}, {"params": head, "lr": recipe.head_lr})
            if group["params"]
        ]

    def step(self, rows: Sequence[int], share: float) -> None:
        for group, peak in zip(self.optimiser.param_groups, self.peaks, strict=True):
            group["lr"] = peak * share
        with devices.mixed(self.targets.device):
            logits = self.scorer.logits([self.items[row] for row in rows], self.counter)
        loss = nn.functional.cross_entropy(logits.float(), self.targets[list(rows)])
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.weights.values(), CLIP_NORM)
        self.optimiser.step()
        self.seen += loss.detach() * len(rows)

    def loss(self) -> float:
        seen = float(self.seen)
        self.seen.zero_()
        return seen

    def keep(self) -> None:
        self.best = {name: value.detach().clone() for name, value in self.weights.items()}

    def finish(self) -> None:
        with torch.no_grad():
            for name, parameter in self.weights.items():
                parameter.copy_(self.best[name])
        if self.make_whole is not None:
            self.make_whole()
        if self.merges:
            self.scorer.model = merged(self.scorer.model)
