"""One backend's side of the comparison of causal models: ``python causal_parity.py BACKEND FOLDER``.

FOLDER holds a checkpoint for each name in `SORTS`. PyTorch's side makes them, and saves what it trained beside them in
Transformers' layout; Keras's side opens that through KerasHub, so that both trainings are compared in one layout.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from harness.models import describe
from harness.testing.material import KNOWN, LABELS, PASSAGES, examples
from harness.types import AllWeights, Kind, Lora, Question, Text
from tests.support import checkpoints
from tests.support.parity import HARD
from tests.support.tuning import recipe

SORTS = ("causal", "waves", "byte_gpt2", "qwen2", "qwen3")
WAYS = {"full": AllWeights(), "lora": Lora(4, 8.0)}
STEPS, BATCH = 6, 4
ASKED = [example.question for example in examples(Kind.CHOICE)]
TEXTS = ("owls are active at night", "when are bats active , at dusk ?", "owls", "cats at noon " * 60, "")


def read(session: Any) -> dict[str, np.ndarray]:
    """Without training: tokens, answers of all sorts, likelihoods, vectors, usage."""
    odd = [Question(str(n), (Text(text),), ("at night", "café ✓")) for n, text in enumerate(HARD)]
    passages = [replace(question, passages=PASSAGES, reading=1.0) for question in ASKED[:6]]
    unequal = [replace(ASKED[0], choices=LABELS[:2]), ASKED[1]]
    items = session.scorer.prepare([*odd, *passages])
    found = {f"tokens {n}": np.array([*item.prompt, -1, *sum(item.choices, ())]) for n, item in enumerate(items)}
    for name, questions in (("answers", ASKED), ("reading", passages), ("unequal", unequal), ("odd", odd)):
        scores = session.answer(questions).scores
        found[f"scores {name}"] = np.array([np.pad(row, (0, len(KNOWN) - len(row))) for row in scores])
    found["score"] = session.score(TEXTS)
    found["vectors"] = session.embed(TEXTS[:-1])
    used = session.usage()
    return {**found, "used": np.array([used.tokens, used.flops])}


def trained(session: Any, way: str, start: Any) -> dict[str, np.ndarray]:
    """A few steps from one start, in fp32; the session is left with the last weights."""
    session.scorer.max_tokens = 64
    rows = examples(Kind.CHOICE)
    items = session.scorer.prepare([row.question for row in rows])
    steps = session.begin_tuning(items, [row.target for row in rows], recipe(WAYS[way], 1, lr=1e-3))
    for n, weight in enumerate(start(steps)):
        random = np.random.default_rng(n).uniform(-0.1, 0.1, (checkpoints.WIDTH, 4)).astype(np.float32)
        assign(weight, random)
    for n in range(STEPS):
        steps.step([(n * BATCH + k) % len(rows) for k in range(BATCH)], 1 - n / STEPS)
    found = {"trainable": np.array(steps.trainable), "loss": np.array(steps.loss())}
    steps.keep()
    steps.finish()
    return found


def assign(weight: Any, value: np.ndarray) -> None:
    """[in, rank], which PyTorch holds the other way round."""
    if hasattr(weight, "assign"):
        weight.assign(value)
        return
    import torch

    with torch.no_grad():
        weight.copy_(torch.from_numpy(value.T.copy()))


def torch_starts(steps: Any) -> Iterator[Any]:
    return (weight for name, weight in steps.weights.items() if "lora_A" in name)


def keras_starts(steps: Any) -> Iterator[Any]:
    found = steps.adapters.weights.items() if steps.adapters else ()
    return (weight for name, weight in found if name.endswith(".a"))


def flat(body: Any) -> np.ndarray:
    return np.concatenate([weight.numpy().ravel() for weight in body.weights.values()])


def main() -> None:
    backend, folder = sys.argv[1], Path(sys.argv[2])
    importlib.import_module(f"harness_{backend}.device").trains_in_bf16 = lambda *_: False
    side = importlib.import_module(f"harness_{backend}.backend").load()
    found: dict[str, np.ndarray] = {}

    def opened(where: Path, kind: Kind = Kind.CHOICE) -> Any:
        return side.open(describe(str(where)), kind=kind, labels=LABELS, seed=0)

    for sort in SORTS:
        where = folder / sort
        if backend == "torch":
            where.mkdir()
            getattr(checkpoints, sort)(where)
        session = opened(where)
        found |= {f"{sort} {name}": value for name, value in read(session).items()}
        labels = [example.question for example in examples(Kind.CLASSIFICATION)]
        found[f"{sort} scores labels"] = np.stack(opened(where, Kind.CLASSIFICATION).answer(labels).scores)
        for way in WAYS:
            session = opened(where)
            before = flat(session.scorer.body) if backend == "keras" else None
            told = trained(session, way, torch_starts if backend == "torch" else keras_starts)
            found |= {f"{sort} {way} {name}": value for name, value in told.items()}
            theirs = folder / f"{sort}-{way}"
            if backend == "torch":
                session.scorer.model.save_pretrained(theirs)
                continue
            from harness_keras.decoder import Decoder
            from harness_keras.loading import load_backbone

            found[f"{sort} {way} ours"] = flat(session.scorer.body) - before
            found[f"{sort} {way} theirs"] = flat(Decoder(load_backbone(theirs))) - before
    np.savez(folder / f"{backend}.npz", **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
