"""Training steps on TensorFlow: PyTorch's AdamW, clipped gradients, bf16 where it pays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.plugin import Lora, Recipe
from harness.session import Counter
from harness.training import CLIP_NORM
from harness_keras.framework import tf
from harness_keras.lora import Adapters

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8
LEAST_NORM = 1e-6


class KerasSteps:
    """`training.Steps` on a scorer: what the recipe trains is put in here and taken out by `finish`."""

    def __init__(
        self, scorer: Any, items: Sequence[Any], targets: np.ndarray, recipe: Recipe, counter: Counter
    ) -> None:
        self.scorer, self.items, self.targets, self.counter = scorer, items, targets, counter
        self.adapters: Adapters | None = None
        body = frozen = scorer.body.weights
        if isinstance(recipe.trainable, Lora):
            self.adapters = Adapters(scorer.body.model, recipe.trainable, recipe.seed)
            body = self.adapters.weights
        scorer.body.adapt(frozen.values() if self.adapters else ())
        head = scorer.head.weights if scorer.head is not None else {}
        self.passes = 2 if self.adapters else 3
        self.weights = [weight.value for weight in (*body.values(), *head.values())]
        self.trainable = sum(int(np.prod(weight.shape)) for weight in self.weights)
        self.adamw = AdamW(self.weights, [recipe.lr] * len(body) + [recipe.head_lr] * len(head), recipe.weight_decay)
        self.best: list[Any] = []
        self.losses: list[Any] = []

    def step(self, rows: Sequence[int], share: float) -> None:
        with tf.GradientTape(watch_accessed_variables=False) as tape, self.scorer.body.stepping():
            tape.watch(self.weights)
            logits = self.scorer.logits([self.items[row] for row in rows], self.counter)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(self.targets[list(rows)], logits)
            loss = tf.reduce_mean(losses)
        self.adamw.apply(tape.gradient(loss, self.weights), share)
        self.losses.append(tf.reduce_sum(losses))

    def loss(self) -> float:
        seen = float(tf.add_n(self.losses))
        self.losses.clear()
        return seen

    def keep(self) -> None:
        self.best = [tf.identity(weight) for weight in self.weights]

    def finish(self) -> None:
        for weight, kept in zip(self.weights, self.best, strict=True):
            weight.assign(kept)
        if self.adapters is not None:
            self.adapters.merge()
        self.scorer.body.release()


class AdamW:
    """Loshchilov & Hutter 2019 (arXiv:1711.05101) as PyTorch computes it, after clipping all gradients together.

    Keras's own differs: its epsilon stands under the bias correction and is 1e-7. Rows of the vocabulary that a batch
    does not name move too, by decay and momentum, as PyTorch moves them.
    """

    def __init__(self, weights: Sequence[Any], peaks: Sequence[float], decay: float) -> None:
        self._weights, self._peaks, self._decay = weights, peaks, decay
        self._means = [tf.Variable(tf.zeros_like(weight)) for weight in weights]
        self._squares = [tf.Variable(tf.zeros_like(weight)) for weight in weights]
        self._steps = 0
        self._update = tf.function(self._all, autograph=False, reduce_retracing=True)

    def apply(self, gradients: Sequence[Any], share: float) -> None:
        """One update, at this share of the peak learning rates."""
        self._steps += 1
        powers = BETA_1**self._steps, BETA_2**self._steps
        # The kernel's epsilon stands before the bias correction of the second moment.
        scalars = (share, *powers, EPSILON * (1 - powers[1]) ** 0.5)
        self._update(list(gradients), *(tf.constant(scalar, tf.float32) for scalar in scalars))

    def _all(self, gradients: Sequence[Any], share: Any, power_1: Any, power_2: Any, epsilon: Any) -> None:
        dense = [tf.convert_to_tensor(gradient) for gradient in gradients]
        room = tf.minimum(1.0, CLIP_NORM / (tf.linalg.global_norm(dense) + LEAST_NORM))
        for weight, mean, square, gradient, peak in zip(
            self._weights, self._means, self._squares, dense, self._peaks, strict=True
        ):
            rate = peak * share
            if self._decay:
                weight.assign(weight * (1 - rate * self._decay))
            tf.raw_ops.ResourceApplyAdam(
                var=weight.handle,
                m=mean.handle,
                v=square.handle,
                beta1_power=power_1,
                beta2_power=power_2,
                lr=rate,
                beta1=BETA_1,
                beta2=BETA_2,
                epsilon=epsilon,
                grad=room * gradient,
            )
