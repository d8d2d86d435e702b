"""Causal models: texts in; out come the likelihoods of their ends, or one pooled vector each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.items import Ids
from harness.session import Counter
from harness_keras.framework import tf
from harness_keras.traced import Traced, in_order, mean


class Decoder(Traced):
    """A KerasHub backbone that reads from left to right; padding stands on the right, where no token sees it."""

    @property
    def signature(self) -> list[Any]:
        return [tf.TensorSpec([None], tf.int32)]

    def read(self, embedded: Any, *more: Any) -> Any:
        """Word vectors [n, longest, d] and lengths [n] -> the last states, float32 [n, longest, d]."""
        (sizes,) = more
        mask = tf.sequence_mask(sizes, tf.shape(embedded)[1])
        places = getattr(self.model, "position_embedding", None)
        states = embedded if places is None else embedded + places(embedded)
        for layer in self.model.transformer_layers:
            states = layer(states, decoder_padding_mask=mask, training=False)
        return self.model.layer_norm(tf.cast(states, tf.float32))

    def log_likelihoods(self, prompts: Sequence[Ids], texts: Sequence[Ids], counter: Counter) -> Any:
        """Of each text after its prompt, in nats: float32 [n]."""
        batches = self.batches([prompt + text for prompt, text in zip(prompts, texts, strict=True)], counter)
        parts = []
        for batch in batches:
            states = self._function(batch.embedded, batch.sizes)
            # The words are weighed only where one is asked for: a vocabulary is many times as wide as a state.
            starts = np.array([max(1, len(prompts[row])) for row in batch.rows])
            columns = np.arange(batch.ids.shape[1])
            asked = np.argwhere((columns >= starts[:, None]) & (columns < batch.sizes[:, None]))
            weighed = self.model.token_embedding(tf.gather_nd(states, asked - (0, 1)), reverse=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(batch.ids[tuple(asked.T)], weighed)
            parts.append(-tf.reduce_sum(tf.scatter_nd(asked, losses, batch.ids.shape), 1))
        return in_order(parts, batches)

    def pooled(self, texts: Sequence[Ids], counter: Counter) -> Any:
        """Means of the last states, float32 [n, d]."""
        batches = self.batches(texts, counter)
        return in_order([mean(self._function(b.embedded, b.sizes), b.sizes) for b in batches], batches)
