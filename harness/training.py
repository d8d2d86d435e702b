"""What must be equal in training on every backend: batch order, learning rate, and when to stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harness.types import Answers, Epoch, Recipe, TuneLog

CLIP_NORM = 1.0
"""Of all gradients together."""

HEAD_STD = 0.02

WINDOW_BATCHES = 32
"""Rows are sorted by length inside shuffled windows of so many batches: little padding, order still random."""

LEAST_TOKENS = 192
MOST_PADDING = 1.15
"""Padded over real tokens at which a batch of at least `LEAST_TOKENS` is cut: smaller ones waste more in calls."""


def training_batches(lengths: Sequence[int], batch_size: int, seed: int, epoch: int) -> list[list[int]]:
    """Positions of the rows of every batch of one epoch; the same on every backend for the same seed."""
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(lengths))
    window = batch_size * WINDOW_BATCHES
    batches = []
    for start in range(0, len(order), window):
        rows = sorted(order[start : start + window], key=lambda row: lengths[row])
        batches += [[int(row) for row in rows[at : at + batch_size]] for at in range(0, len(rows), batch_size)]
    return [batches[place] for place in random.permutation(len(batches))]


def length_batches(lengths: Sequence[int], max_tokens: int) -> list[list[int]]:
    """Positions sorted by length, cut before a batch is too large or mostly padding (one row at least)."""
    batches: list[list[int]] = []
    batch: list[int] = []
    real = 0
    for row in sorted(range(len(lengths)), key=lambda row: (lengths[row], row)):
        padded = (len(batch) + 1) * lengths[row]
        wasteful = real >= LEAST_TOKENS and padded > MOST_PADDING * (real + lengths[row])
        if batch and (padded > max_tokens or wasteful):
            batches.append(batch)
            batch, real = [], 0
        batch.append(row)
        real += lengths[row]
    return [*batches, batch] if batch else batches


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rate as a share of its peak: linear rise over `warmup` of all steps, then linear fall to 0."""

    steps: int
    warmup: float

    def share(self, step: int) -> float:
        """`step` counts from 0."""
        rise = math.ceil(self.steps * self.warmup)
        if step < rise:
            return (step + 1) / (rise + 1)
        return max(0.0, (self.steps - step) / max(1, self.steps - rise))


@dataclass(slots=True)
class EarlyStopping:
    """Keeps the epoch with the lowest validation loss; without validation rows, the last one."""

    patience: int
    epochs: list[Epoch] = field(default_factory=list)
    best: Epoch | None = None

    def better(self, epoch: Epoch) -> bool:
        """Note an epoch; True if its weights are the ones to keep."""
        self.epochs.append(epoch)
        seen, best = epoch.validation_loss, self.best.validation_loss if self.best else None
        if seen is None or best is None or seen < best:
            self.best = epoch
            return True
        return False

    @property
    def stop(self) -> bool:
        return self.best is not None and self.epochs[-1].epoch - self.best.epoch >= self.patience


class Steps(Protocol):
    """One framework's side of training: AdamW on the trained weights, and a copy of the best of them."""

    trainable: int
    """Parameters."""
    passes: int
    """Forward passes that a step costs (see `flops`)."""

    def step(self, rows: Sequence[int], share: float) -> None:
        """One update on a batch, at this share of the peak learning rates."""
        ...

    def loss(self) -> float:
        """Sum of the rows' cross-entropies in nats since it was last asked."""
        ...

    def keep(self) -> None:
        """Note the weights as they are."""
        ...

    def finish(self) -> None:
        """Go back to the weights last noted and leave the model as it answers."""
        ...


def rounds(
    lengths: Sequence[int],
    recipe: Recipe,
    steps: Steps,
    validate: Callable[[], tuple[float | None, float | None]],
    on_progress: Callable[[Epoch], None],
) -> TuneLog:
    """Train by the recipe: every epoch, then validation; the best epoch's weights are the ones kept."""
    count = recipe.epochs * len(training_batches(lengths, recipe.batch_size, recipe.seed, 1))
    schedule, stopping, step = Schedule(count, recipe.warmup), EarlyStopping(recipe.patience), 0
    for number in range(1, recipe.epochs + 1):
        for rows in training_batches(lengths, recipe.batch_size, recipe.seed, number):
            steps.step(rows, schedule.share(step))
            step += 1
        epoch = Epoch(number, steps.loss() / len(lengths), *validate())
        on_progress(epoch)
        if stopping.better(epoch):
            steps.keep()
        if stopping.stop:
            break
    assert stopping.best is not None
    return TuneLog(tuple(stopping.epochs), stopping.best.epoch, steps.trainable, step)


def initial_head(width: int, outputs: int, seed: int) -> np.ndarray:
    """The same on every backend: float32 [outputs, width]; biases start at 0."""
    return np.random.default_rng(seed).normal(0.0, HEAD_STD, (outputs, width)).astype(np.float32)


def judged(answers: Answers, targets: Sequence[int]) -> tuple[float, float]:
    """Accuracy, of 1, and mean cross-entropy in nats; of one answer at least."""
    right = sum(a == b for a, b in zip(answers.chosen, targets, strict=True))
    return right / len(targets), cross_entropy(answers.scores, targets)


def cross_entropy(scores: Sequence[np.ndarray], targets: Sequence[int]) -> float:
    """Mean negative log-probability of the targets, in nats; `scores` are log-probabilities up to a constant."""
    total = 0.0
    for row, target in zip(scores, targets, strict=True):
        wide = row.astype(np.float64)
        top = wide.max()
        total += float(top + np.log(np.exp(wide - top).sum()) - wide[target])
    return total / len(scores)
