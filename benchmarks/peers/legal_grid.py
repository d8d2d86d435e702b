"""Peer: the default grid of legal-qa done with stock tools, cell by cell. Writes JSON on stdout.

sentence-transformers (its trainer, its ranking loss, `encode`), peft through it, FAISS and scikit-learn, as their
documentation shows them: fp32, dropout as the model has it, random batches. Every cell begins with a fresh model, as
those of the harness do, and answers the same sets. Given in argv: the task's folder, the model, epochs, a
seed, and how many rows of each set (0: all).

It is spared some work that the harness does: `full+rag` and `lora+rag` train without passages here, and the sentences
of passages are split without regard for short ones.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

Rows = list[dict[str, Any]]
ASKED = ("train", "test", "unseen", "twins")
LR = {"full": 1e-4, "lora": 2e-3}
K = 5


def vectors(model: SentenceTransformer, texts: list[str]) -> Callable[[str], np.ndarray]:
    unique = list(dict.fromkeys(texts))
    found = model.encode(unique, normalize_embeddings=True)
    place = {text: number for number, text in enumerate(unique)}
    return lambda text: found[place[text]]


def texts_of(rows: Rows) -> list[str]:
    return [text for row in rows for text in (row["question"], *row["choices"])]


def tuned(model: SentenceTransformer, method: str, sets: dict[str, Rows], epochs: int, seed: int) -> None:
    if method == "lora":
        from peft import LoraConfig, TaskType

        model.add_adapter(
            LoraConfig(TaskType.FEATURE_EXTRACTION, r=8, lora_alpha=16, target_modules=["query", "value"])
        )

    def pairs(rows: Rows) -> Dataset:
        wrong = [[c for place, c in enumerate(row["choices"]) if place != row["answer"]] for row in rows]
        columns = {"question": [r["question"] for r in rows], "right": [r["choices"][r["answer"]] for r in rows]}
        return Dataset.from_dict({**columns, **{f"wrong{n}": [each[n] for each in wrong] for n in range(3)}})

    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            folder,
            num_train_epochs=epochs,
            learning_rate=LR[method],
            per_device_train_batch_size=16,
            warmup_steps=0.1,
            weight_decay=0.01,
            seed=seed,
            eval_strategy="epoch",
            save_strategy="no",
            report_to=[],
            disable_tqdm=True,
        )
        SentenceTransformerTrainer(
            model,
            arguments,
            train_dataset=pairs(sets["train"]),
            eval_dataset=pairs(sets["validation"]),
            loss=MultipleNegativesRankingLoss(model),
        ).train()


def answered(model: SentenceTransformer, rows: Rows, read: Callable[[str], list[str]] | None) -> float:
    vector = vectors(model, texts_of(rows) + ([s for row in rows for s in read(row["question"])] if read else []))
    right = 0
    for row in rows:
        choices = np.stack([vector(choice) for choice in row["choices"]])
        score = choices @ vector(row["question"])
        if read:
            score = score / 2 + (choices @ np.stack([vector(s) for s in read(row["question"])]).T).max(1) / 2
        right += int(score.argmax() == row["answer"])
    return right / len(rows)


def probed(model: SentenceTransformer, sets: dict[str, Rows]) -> None:
    def features(rows: Rows) -> np.ndarray:
        vector = vectors(model, texts_of(rows))
        return np.stack(
            [
                np.concatenate([vector(r["question"]) * vector(c), np.abs(vector(r["question"]) - vector(c))])
                for r in rows
                for c in r["choices"]
            ]
        )

    targets = [place == row["answer"] for row in sets["train"] for place in range(len(row["choices"]))]
    seen, held = features(sets["train"]), features(sets["validation"])
    for c in (0.01, 0.1, 1.0, 10.0, 100.0):
        make_pipeline(StandardScaler(), LogisticRegression(C=c, max_iter=2000)).fit(seen, targets).predict(held)
    for name in ASKED:
        features(sets[name])


def retrieved(where: str, documents: Rows, sets: dict[str, Rows]) -> Callable[[str], list[str]]:
    model = SentenceTransformer(where, device="cpu")
    index = faiss.IndexFlatIP(384)
    index.add(model.encode([document["text"] for document in documents], normalize_embeddings=True))
    questions = list(dict.fromkeys(row["question"] for rows in sets.values() for row in rows))
    _, numbers = index.search(model.encode(questions, normalize_embeddings=True), K)
    split = [re.split(r"(?<=[.;:?!])\s+", document["text"]) for document in documents]
    of = {q: [s for number in row for s in split[number]] for q, row in zip(questions, numbers, strict=True)}
    return of.__getitem__


def main() -> None:
    folder, where, epochs, seed, limit = Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])

    def rows(name: str) -> Rows:
        found = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        return found[:limit] if limit and name != "documents" else found

    sets = {name: rows(name) for name in ("train", "validation", "test", "unseen", "twins")}
    began = time.perf_counter()
    read = retrieved(where, rows("documents"), sets)
    seconds = {"retrieval": time.perf_counter() - began}
    accuracy = {}
    for cell in ("base", "probe", "full", "lora", "rag", "full+rag", "lora+rag"):
        began = time.perf_counter()
        model = SentenceTransformer(where, device="cpu")
        method = cell.split("+")[0]
        if cell == "probe":
            probed(model, sets)
        else:
            if method in LR:
                tuned(model, method, sets, epochs, seed)
            found = {name: answered(model, sets[name], read if "rag" in cell else None) for name in ASKED}
            accuracy[cell] = found["test"]
        seconds[cell] = time.perf_counter() - began
        print(cell, round(seconds[cell], 1), file=sys.stderr, flush=True)
    print(json.dumps({"seconds": seconds, "accuracy": accuracy}))


if __name__ == "__main__":
    main()
