"""Peer: a sequence classifier tuned the stock way, with KerasHub's classifier and `fit`. Writes JSON on stdout.

Everything that its user would leave alone is left alone: fp32, dropout as the model has it, random batches padded to
`max_tokens`. Given as JSON in argv[1]: rows (train, validation and test: [text, label] each), labels, model, method,
epochs, lr, batch_size, max_tokens, seed.
"""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path

os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import keras_hub
import numpy as np


def main() -> None:
    given = json.loads(Path(sys.argv[1]).read_text())
    keras.utils.set_random_seed(given["seed"])
    preprocessor = keras_hub.models.BertTextClassifierPreprocessor.from_preset(
        given["model"], sequence_length=given["max_tokens"]
    )
    model = keras_hub.models.BertTextClassifier.from_preset(
        given["model"], num_classes=len(given["labels"]), preprocessor=preprocessor
    )
    if given["method"] == "lora":
        model.backbone.enable_lora(8)
    steps = given["epochs"] * -(-len(given["rows"]["train"]) // given["batch_size"])
    rate = keras.optimizers.schedules.PolynomialDecay(given["lr"], steps, end_learning_rate=0.0)
    model.compile(
        optimizer=keras.optimizers.AdamW(rate, weight_decay=0.01),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    sets = {
        name: (np.array([text for text, _ in rows]), np.array([label for _, label in rows], np.int32))
        for name, rows in given["rows"].items()
    }
    began = time.perf_counter()
    model.fit(
        *sets["train"],
        batch_size=given["batch_size"],
        epochs=given["epochs"],
        validation_data=sets["validation"],
        verbose=0,
    )
    seconds = time.perf_counter() - began
    texts, labels = sets["test"]
    chosen = model.predict(texts, batch_size=given["batch_size"], verbose=0).argmax(1)
    print(json.dumps({"train_s": seconds, "steps": steps, "right": (chosen == labels).tolist()}))


if __name__ == "__main__":
    main()
