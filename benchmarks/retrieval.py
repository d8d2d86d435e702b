"""The index of many passages against comparing every one of them: recall, questions per second, memory.

    python benchmarks/retrieval.py [--passages 1000000] [--questions 1000] [--pairs 3] [--json]

Vectors are drawn around those that the default encoder makes of the bundled task's texts: a passage lies between two of
them and is moved along the directions in which real texts differ, a question lies a way off from a passage. The index
is built in a process of its own, from chunks that are drawn when it asks for them; its peak memory is told. Questions
are asked in one batch, which is how flat search is fastest; pairs alternate, the median ratio counts.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from harness.find import task_path
from harness.registry import load_registry
from harness.taskfile import load_task
from harness_rag import index
from harness_rag.search import CHUNK, Encoder

TASK, ENCODER = "legal-qa", "all-MiniLM-L6-v2"
PASSAGE_NOISE, QUESTION_NOISE = 0.5, 0.7
"""How far a passage is moved from the texts it lies between, and a question from its passage, against a real text's
distance from the mean of all: a question's nearest passage is then about as near as those of real questions are."""
DEPTH = index.DEPTH


class World:
    """Unit vectors that look like those of texts; any chunk can be drawn again."""

    def __init__(self, texts: np.ndarray) -> None:
        self.texts = texts
        centred = texts - texts.mean(axis=0)
        _, spread, axes = np.linalg.svd(centred, full_matrices=False)
        self._directions = (axes * spread[:, None] / np.sqrt(len(texts))).astype(np.float32)

    @property
    def dimensions(self) -> int:
        return int(self.texts.shape[1])

    def passages(self, count: int) -> Iterator[np.ndarray]:
        for start in range(0, count, CHUNK):
            yield self._chunk(start, min(CHUNK, count - start))

    def questions(self, count: int, passages: int) -> np.ndarray:
        """Of passages out of every tenth chunk."""
        random = np.random.default_rng(1)
        chunks = range(0, passages, 10 * CHUNK)
        near = np.concatenate([self._chunk(start, min(CHUNK, passages - start)) for start in chunks])
        return self._moved(random, near[random.integers(len(near), size=count)], QUESTION_NOISE)

    def _chunk(self, start: int, count: int) -> np.ndarray:
        random = np.random.default_rng([2, start])
        one, other = self.texts[random.integers(len(self.texts), size=(2, count))]
        share = random.uniform(0.5, 1.0, size=(count, 1)).astype(np.float32)
        return self._moved(random, share * one + (1 - share) * other, PASSAGE_NOISE)

    def _moved(self, random: np.random.Generator, vectors: np.ndarray, noise: float) -> np.ndarray:
        moved = vectors + noise * random.standard_normal(vectors.shape, dtype=np.float32) @ self._directions
        return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), dtype=np.float32)


def real_texts() -> np.ndarray:
    task = load_task(task_path(load_registry(), TASK))
    rows = [row for found in (task.train, task.test, *task.extra_tests.values()) if found for row in found.rows]
    texts = [document.text for document in task.documents] + [row.question.text for row in rows]
    return Encoder(ENCODER)(list(dict.fromkeys(texts)))


def build(world: World, passages: int, told: np.ndarray, file: Path, tell: Any) -> None:
    before = _peak_bytes()
    began = time.perf_counter()
    made, kind = index.build(world.passages(passages), passages, world.dimensions, told)
    seconds = time.perf_counter() - began
    peak = _peak_bytes()
    faiss.write_index(made, str(file))
    tell.send({"kind": kind, "built_s": seconds, "built_within_bytes": peak - before})


def _peak_bytes() -> int:
    """Most resident memory of this process so far (Linux)."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def measured(passages: int, questions: int, pairs: int) -> dict[str, Any]:
    world = World(real_texts())
    asked = world.questions(2 * questions, passages)
    told, asked = asked[:questions], asked[questions:]
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "index"
        here, there = context.Pipe(duplex=False)
        builder = context.Process(target=build, args=(world, passages, told[:256], file, there))
        builder.start()
        there.close()
        result: dict[str, Any] = here.recv()
        builder.join()
        result["index_bytes"] = file.stat().st_size
        ours = faiss.read_index(str(file))
    flat = faiss.IndexFlatIP(world.dimensions)
    for chunk in world.passages(passages):
        flat.add(chunk)
    result["flat_bytes"] = flat.ntotal * world.dimensions * 4
    seconds: dict[str, list[float]] = {"flat": [], "index": []}
    for _ in range(pairs):
        for name, found in (("flat", flat), ("index", ours)):
            began = time.perf_counter()
            scores, numbers = found.search(asked, DEPTH)
            seconds[name].append(time.perf_counter() - began)
            if name == "flat":
                exact, near = numbers, scores
    recall = np.mean([np.isin(want, got).mean() for want, got in zip(exact, numbers, strict=True)])
    return {
        "passages": passages,
        **result,
        "similarity_of_the_nearest": float(near[:, 0].mean()),
        "similarity_of_the_tenth": float(near[:, -1].mean()),
        "recall_at_10": float(recall),
        "flat_questions_per_s": questions / statistics.median(seconds["flat"]),
        "index_questions_per_s": questions / statistics.median(seconds["index"]),
        "times_faster": statistics.median(a / b for a, b in zip(seconds["flat"], seconds["index"], strict=True)),
        "share_of_memory": result["index_bytes"] / result["flat_bytes"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--passages", type=int, default=1_000_000)
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--pairs", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    result = measured(arguments.passages, arguments.questions, arguments.pairs)
    if arguments.json:
        json.dump(result, sys.stdout, indent=2)
        return
    for name, value in result.items():
        print(f"{name:28} {value:,.3f}" if isinstance(value, float) else f"{name:28} {value}")


if __name__ == "__main__":
    main()
