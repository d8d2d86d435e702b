"""Encoders: texts in, one pooled vector each out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.items import Ids
from harness.session import Counter
from harness_keras.framework import tf
from harness_keras.padding import padded
from harness_keras.traced import Traced, in_order, mean


class Body(Traced):
    """A KerasHub BERT without its pooler. `pooling` is `mean` or `cls`."""

    def __init__(self, model: Any, pooling: str) -> None:
        self.pooling = pooling
        super().__init__(model)

    @property
    def signature(self) -> list[Any]:
        return [tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None], tf.int32)]

    def pooled(self, texts: Sequence[Ids], types: Sequence[Ids] | None, counter: Counter) -> Any:
        """float32 [n, d] in the order given, in batches of similar length; without `types` all are 0."""
        batches = self.batches(texts, counter)
        parts = []
        for batch in batches:
            kinds = np.zeros_like(batch.ids) if types is None else padded([types[row] for row in batch.rows])[0]
            parts.append(self._function(batch.embedded, kinds, batch.sizes))
        return in_order(parts, batches)

    def read(self, embedded: Any, *more: Any) -> Any:
        """Word vectors [n, longest, d], segments [n, longest] and lengths [n] -> [n, d]."""
        types, sizes = more
        mask = tf.sequence_mask(sizes, tf.shape(embedded)[1])
        states = embedded + self.model.position_embedding(embedded) + self.model.segment_embedding(types)
        states = self.model.embeddings_layer_norm(states)
        for layer in self.model.transformer_layers:
            states = layer(states, padding_mask=mask, training=False)
        states = tf.cast(states, tf.float32)
        return states[:, 0] if self.pooling == "cls" else mean(states, sizes)
