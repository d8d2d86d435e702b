"""One backend's side of the comparison, in a process of its own: ``python parity.py BACKEND MODEL OUT.npz``.

Writes token ids, vectors, answers, trainable counts, and what 20 steps from one start change, in PyTorch's names and
layout, all in fp32.
"""

from __future__ import annotations

import importlib
import re
import sys
from typing import Any, ClassVar

import numpy as np

from harness.models import describe
from harness.registry import load_registry
from harness.taskfile import load_task
from harness.training import training_batches
from harness.types import AllWeights, Kind, Lora, Question, Recipe, Text, examples

HARD = (
    "",
    "café naïve Ångström ÉCOLE žluťoučký kůň",
    "合同 契約 계약 mixed with English",
    "emoji 👩‍⚖️🏳️‍🌈 and ❤️ signs",
    "zero\u200bwidth\u00a0spaces\ttabs\nlines \u202e reversed",
    "ﬁ ligatures ½ Ⅷ ① ² İstanbul ß",
    "unaffordable antidisestablishmentarianism " + "x" * 150,
    "[CLS] [SEP] [MASK] [PAD] literal",
    "§ 242 BGB; Art. 6(1)(f) GDPR — ‘quoted’ “text” …",
    "very long " * 400,
)
ROWS, BATCH, STEPS = 20, 4, 20
TARGETS = ("query", "value")


def recipe(trainable: AllWeights | Lora) -> Recipe:
    lr = 2e-3 if isinstance(trainable, Lora) else 1e-4
    return Recipe(trainable, 4, lr, BATCH, 0.1, 0.01, 4, 64, seed=0)


class TorchSide:
    """Names and layout are the reference."""

    def weights(self, steps: Any) -> dict[str, np.ndarray]:
        named = {_short(name): weight.detach().numpy() for name, weight in steps.weights.items()}
        return {name: value.copy() for name, value in named.items()}

    def start(self, steps: Any, adapters: dict[str, np.ndarray]) -> None:
        import torch

        for name, weight in steps.weights.items():
            if _short(name) in adapters:
                weight.data.copy_(torch.from_numpy(adapters[_short(name)]))


def _short(name: str) -> str:
    if ".lora_" not in name:
        return name.removeprefix("model.")
    number, target, which = re.search(r"layer\.(\d+)\..*\.(\w+)\.lora_([AB])", name).groups()  # type: ignore[union-attr]
    return f"{number} {target} {which}"


class KerasSide:
    NAMES: ClassVar = {
        "token_embedding/embeddings": "embeddings.word_embeddings.weight",
        "position_embedding/embeddings": "embeddings.position_embeddings.weight",
        "segment_embedding/embeddings": "embeddings.token_type_embeddings.weight",
        "embeddings_layer_norm": "embeddings.LayerNorm",
        "self_attention_layer_norm": "attention.output.LayerNorm",
        "self_attention_layer/attention_output": "attention.output.dense",
        "self_attention_layer": "attention.self",
        "feedforward_layer_norm": "output.LayerNorm",
        "feedforward_intermediate_dense": "intermediate.dense",
        "feedforward_output_dense": "output.dense",
        "transformer_layer_": "encoder.layer.",
        "gamma": "weight",
        "beta": "bias",
        "kernel": "weight",
    }

    def weights(self, steps: Any) -> dict[str, np.ndarray]:
        if steps.adapters is not None:
            return {name: _flat(weight).T for name, weight in self._adapters(steps).items()}
        found = {}
        for path, weight in steps.scorer.body.weights.items():
            name, value = path, weight.numpy()
            for keras, torch in self.NAMES.items():
                name = name.replace(keras, torch)
            if path.endswith("kernel"):
                value = value.reshape(-1, value.shape[-1]) if "attention_output" in path else _flat(weight)
                value = value.T
            found[name.replace("/", ".")] = value if value.shape != (12, 32) else value.ravel()
        return found

    def _adapters(self, steps: Any) -> dict[str, Any]:
        names = [f"{number} {target}" for number in range(6) for target in TARGETS]
        weights = steps.adapters.weights
        return {f"{name} {k.upper()}": weights[f"{n}.{k}"] for n, name in enumerate(names) for k in "ab"}

    def start(self, steps: Any, adapters: dict[str, np.ndarray]) -> None:
        for name, weight in self._adapters(steps).items() if steps.adapters else ():
            if name in adapters:
                weight.assign(adapters[name].T)


def _flat(weight: Any) -> np.ndarray:
    """[in, heads, size] -> [in, out]"""
    value: np.ndarray = weight.numpy()
    return value.reshape(len(value), -1)


SIDES: dict[str, Any] = {"torch": TorchSide(), "keras": KerasSide()}


def adapters() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    names = [f"{number} {target} A" for number in range(6) for target in TARGETS]
    return {name: random.uniform(-0.05, 0.05, (8, 384)).astype(np.float32) for name in names}


def main() -> None:
    backend, model, out = sys.argv[1:]
    importlib.import_module(f"harness_{backend}.device").trains_in_bf16 = lambda *_: False
    side = importlib.import_module(f"harness_{backend}.backend").load()
    look = SIDES[backend]
    registry = load_registry()
    task = load_task(registry.tasks.get("legal-qa").path)
    assert task.train is not None
    rows = examples(task.train.rows[:ROWS])
    asked = [row.question for row in task.test.rows[:ROWS]]

    def opened() -> Any:
        return side.open(describe(model), kind=Kind.CHOICE, labels=(), seed=0)

    session = opened()
    hard = [Question(str(number), (Text(text),), ("yes",)) for number, text in enumerate(HARD)]
    tokens = [np.array(item.question) for item in session.scorer.prepare(hard)]
    found: dict[str, np.ndarray] = {f"tokens {number}": ids for number, ids in enumerate(tokens)}
    found["vectors"] = session.embed(HARD)
    found["answers"] = np.array(
        [np.pad(scores, (0, 8 - len(scores)), constant_values=-1e3) for scores in session.answer(asked).scores]
    )
    for name, trainable in (("full", AllWeights()), ("lora", Lora(8, 16.0))):
        session = opened()
        session.scorer.max_tokens = 64
        items = session.scorer.prepare([row.question for row in rows])
        given = recipe(trainable)
        steps = session.begin_tuning(items, [row.target for row in rows], given)
        look.start(steps, adapters())
        before = look.weights(steps)
        lengths = [item.length for item in items]
        batches = [batch for epoch in range(1, 5) for batch in training_batches(lengths, BATCH, 0, epoch)]
        assert len(batches) == STEPS
        for number, batch in enumerate(batches):
            steps.step(batch, 1 - number / STEPS)
        found[f"{name} trainable"] = np.array(steps.trainable)
        found[f"{name} loss"] = np.array(steps.loss())
        found |= {f"{name} change {key}": value - before[key] for key, value in look.weights(steps).items()}
    np.savez(out, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
