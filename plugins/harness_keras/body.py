"""The encoder as functions of tensors: texts in, one pooled vector each out; traced once for all batch shapes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import numpy as np

from harness.items import BATCH_TOKENS, Ids
from harness.session import Counter
from harness.training import length_batches
from harness_keras import device as devices
from harness_keras.framework import keras, tf
from harness_keras.padding import padded

UNREAD = "pooled_dense", "seed_generator"
"""Parts of KerasHub's model that nothing here reads."""
BF16 = "mixed_bfloat16"


class Body:
    """A KerasHub BERT without its pooler. `pooling` is `mean` or `cls`."""

    def __init__(self, model: Any, pooling: str) -> None:
        self.model, self.pooling = model, pooling
        self._plain = self._function = self._stepping = self._traced()

    @property
    def weights(self) -> dict[str, Any]:
        """By their paths, without the adapters'."""
        return {v.path: v for v in self.model.weights if not any(part in v.path for part in UNREAD)}

    @property
    def _words(self) -> Any:
        return self.model.token_embedding.embeddings

    def pooled(self, texts: Sequence[Ids], types: Sequence[Ids] | None, counter: Counter) -> Any:
        """float32 [n, d] in the order given, in batches of similar length; without `types` all are 0."""
        lengths = [len(ids) for ids in texts]
        counter.count(lengths)
        batches = length_batches(lengths, BATCH_TOKENS)
        order = np.argsort([row for rows in batches for row in rows])
        shaped = [padded([texts[row] for row in rows]) for rows in batches]
        segments = [
            np.zeros_like(ids) if types is None else padded([types[row] for row in rows])[0]
            for rows, (ids, _) in zip(batches, shaped, strict=True)
        ]
        # One look-up for all batches: its gradient is as large as the whole vocabulary.
        looked_up = tf.gather(self._words.value, np.concatenate([ids.ravel() for ids, _ in shaped]))
        split = tf.split(looked_up, [ids.size for ids, _ in shaped])
        parts = [
            self._function(tf.reshape(embedded, (*ids.shape, -1)), kinds, sizes)
            for embedded, kinds, (ids, sizes) in zip(split, segments, shaped, strict=True)
        ]
        return tf.gather(tf.concat(parts, 0), order)

    def _traced(self, frozen: Collection[Any] = (), policy: str | None = None) -> Callable[..., Any]:
        """Frozen weights get no gradients, nor do the words: a traced function computes every one it could be asked."""
        width = self.model.token_embedding.output_dim

        def read(embedded: Any, types: Any, sizes: Any) -> Any:
            held = [(weight, tf.stop_gradient(weight.value)) for weight in frozen]
            with keras.StatelessScope(state_mapping=held), self._under(policy):
                return self._read(tf.stop_gradient(embedded) if held else embedded, types, sizes)

        return tf.function(  # type: ignore[no-any-return]
            read,
            input_signature=[
                tf.TensorSpec([None, None, width], tf.float32),
                tf.TensorSpec([None, None], tf.int32),
                tf.TensorSpec([None], tf.int32),
            ],
            autograph=False,
        )

    def _read(self, embedded: Any, types: Any, sizes: Any) -> Any:
        """Word vectors [n, longest, d], segments [n, longest] and lengths [n] -> [n, d]."""
        mask = tf.sequence_mask(sizes, tf.shape(embedded)[1])
        states = embedded + self.model.position_embedding(embedded) + self.model.segment_embedding(types)
        states = self.model.embeddings_layer_norm(states)
        for layer in self.model.transformer_layers:
            states = layer(states, padding_mask=mask, training=False)
        states = tf.cast(states, tf.float32)
        if self.pooling == "cls":
            return states[:, 0]
        real = tf.cast(mask, tf.float32)[..., None]
        return tf.reduce_sum(states * real, 1) / tf.cast(sizes, tf.float32)[:, None]

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
