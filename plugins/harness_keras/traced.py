"""A model as a function of tensors, traced once for all batch shapes, and anew for what a recipe trains."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.items import BATCH_TOKENS, Ids
from harness.session import Counter
from harness.training import length_batches
from harness_keras import device as devices
from harness_keras.framework import keras, tf
from harness_keras.padding import padded

UNREAD = "pooled_dense", "seed_generator"
"""Parts of KerasHub's models that nothing here reads."""
BF16 = "mixed_bfloat16"


@dataclass(frozen=True, slots=True)
class Batch:
    """Texts of similar length; `rows` are their places among all."""

    rows: list[int]
    ids: np.ndarray
    """int32 [n, longest], zeros on the right."""
    sizes: np.ndarray
    """int32 [n]"""
    embedded: Any
    """Word vectors, float32 [n, longest, d]."""


class Traced(ABC):
    """A KerasHub backbone, read layer by layer."""

    def __init__(self, model: Any) -> None:
        self.model = model
        self._plain = self._function = self._stepping = self._traced()

    @property
    @abstractmethod
    def signature(self) -> list[Any]:
        """Of `read`'s arguments."""

    @abstractmethod
    def read(self, embedded: Any, *more: Any) -> Any:
        """Word vectors [n, longest, d] and what else the signature names, through all layers."""

    @property
    def weights(self) -> dict[str, Any]:
        """By their paths, without the adapters'."""
        return {v.path: v for v in self.model.weights if not any(part in v.path for part in UNREAD)}

    def batches(self, texts: Sequence[Ids], counter: Counter) -> list[Batch]:
        """All texts, counted, in batches of similar length."""
        lengths = [len(ids) for ids in texts]
        batches = length_batches(lengths, BATCH_TOKENS)
        counter.count(lengths, len(batches))
        shaped = [padded([texts[row] for row in rows]) for rows in batches]
        # One look-up for all batches: its gradient is as large as the whole vocabulary.
        words = self.model.token_embedding.embeddings.value
        looked_up = tf.gather(words, np.concatenate([ids.ravel() for ids, _ in shaped]))
        split = tf.split(looked_up, [ids.size for ids, _ in shaped])
        return [
            Batch(rows, ids, sizes, tf.reshape(embedded, (*ids.shape, -1)))
            for rows, (ids, sizes), embedded in zip(batches, shaped, split, strict=True)
        ]

    def _traced(self, frozen: Collection[Any] = (), policy: str | None = None) -> Callable[..., Any]:
        """Frozen weights get no gradients, nor do the words: a traced function computes every one it could be asked."""

        def read(embedded: Any, *more: Any) -> Any:
            held = [(weight, tf.stop_gradient(weight.value)) for weight in frozen]
            with keras.StatelessScope(state_mapping=held), self._under(policy):
                return self.read(tf.stop_gradient(embedded) if held else embedded, *more)

        width = self.model.token_embedding.output_dim
        given = [tf.TensorSpec([None, None, width], tf.float32), *self.signature]
        return tf.function(read, input_signature=given, autograph=False)  # type: ignore[no-any-return]

    @contextlib.contextmanager
    def _under(self, policy: str | None) -> Iterator[None]:
        """The layers compute by a policy while they are traced; the sum of embeddings and its norm stay in fp32."""
        layers = [part for layer in self.model.transformer_layers for part in layer._flatten_layers()] if policy else []
        before = [layer.dtype_policy for layer in layers]
        for layer in layers:
            layer.dtype_policy = keras.dtype_policies.get(policy)
        yield
        for layer, held in zip(layers, before, strict=True):
            layer.dtype_policy = held

    def adapt(self, frozen: Collection[Any]) -> None:
        """Get ready to train whatever is not frozen."""
        self._function = self._traced(frozen) if frozen else self._plain
        self._stepping = self._traced(frozen, BF16) if devices.trains_in_bf16() else self._function

    @contextlib.contextmanager
    def stepping(self) -> Iterator[None]:
        """A training step is read in bf16 where that pays, everything else in fp32."""
        reading, self._function = self._function, self._stepping
        yield
        self._function = reading

    def release(self) -> None:
        """The plain function again, which reads the same variables: it was traced before there were adapters."""
        self._function = self._stepping = self._plain


def in_order(parts: Sequence[Any], batches: Sequence[Batch]) -> Any:
    """What was found of every batch's rows, [all, ...] as the texts were given."""
    return tf.gather(tf.concat(list(parts), 0), np.argsort([row for batch in batches for row in batch.rows]))


def mean(states: Any, sizes: Any) -> Any:
    """Of the real tokens' states: float32 [n, longest, d] and int32 [n] to [n, d]; 0 for a text without any."""
    real = tf.cast(tf.sequence_mask(sizes, tf.shape(states)[1]), tf.float32)[..., None]
    return tf.reduce_sum(states * real, 1) / tf.cast(tf.maximum(sizes, 1), tf.float32)[:, None]
