"""Evidence made by hand: every figure a measure may read is there, and each can be taken away."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np

from harness.evidence import CellEvidence, Evidence, TaskEvidence
from harness.prices import Accelerator, Price, PriceBook, Tariff
from harness.types import Answers, Arm, ModelCard, Question, QuestionSet, Row, Text, Usage

LABELS = ("night", "morning", "dusk")
CLUSTERS, WORDINGS = 6, 30
"""So many that every share compared between groups has rows enough."""
SETS = ("test", "unseen_facts", "twins", "within_twins", "train_sample", "validation_sample")
PHASES = ("load", "adapt", "save", "latency", *(f"predict {name}" for name in SETS))
GPU = Accelerator("NVIDIA T4", 65e12, 16e9, 0.15, 0.3, 0.45, "https://example.org")
PRICES = tuple(
    Price("aws", "us-east-1", item, "hour", usd, "2020-01-01", "https://example.org")
    for item, usd in ((GPU.name, 0.5), ("vCPU", 0.05))
)
TARIFF = Tariff(GPU, PriceBook(PRICES, (GPU,)))


class GivenTask:
    """What measures read of a task, without a store."""

    def __init__(self, sets: Mapping[str, Sequence[Row]], groups: Sequence[str] = ("gender",)) -> None:
        self._sets = {name: QuestionSet(name, tuple(rows), name) for name, rows in sets.items()}
        self.labels, self.groups, self.primary, self.kind = LABELS, tuple(groups), "accuracy", "classification"
        self.extra_tests, self.positive, self.abstain = ("unseen_facts",), "morning", "dusk"

    def __contains__(self, name: str) -> bool:
        return name in self._sets

    def __getitem__(self, name: str) -> QuestionSet:
        return self._sets[name]

    @property
    def sets(self) -> tuple[str, ...]:
        return tuple(self._sets)

    def fingerprint(self, name: str) -> str:
        return self._sets[name].fingerprint


def evidence() -> Evidence:
    """Two seeds of an arm that retrieves and trains; some answers are wrong, some passages beside the point."""
    sets = {name: _rows(name) for name in SETS}
    cells = tuple(_cell(seed, sets) for seed in (0, 1))
    model = ModelCard("tiny", "encoder", "r1", "/nowhere", 1_000, 8, 1, 100)
    task = cast(TaskEvidence, GivenTask(sets))
    base = Evidence(Arm("base", "fake", "tiny", {}), task, (_cell(2, sets),), model, "cpu", False, tariff=TARIFF)
    arm = Arm("full+reads", "fake", "tiny", {})
    return Evidence(arm, task, cells, model, "cpu", True, tariff=TARIFF, base=base)


def _rows(name: str) -> list[Row]:
    rows = []
    for cluster in range(CLUSTERS):
        for wording in range(WORDINGS):
            id = f"{name}-{cluster}-{wording}"
            question = Question(id, (Text(f"when are {cluster} active, wording {wording}?"),), LABELS)
            group = ("female", "male")[wording % 2]
            twin = f"{cluster}-{wording // 2}" if name in ("twins", "within_twins") else None
            groups = {"gender": group, **_marks(cluster, wording, group)}
            rows.append(Row(question, cluster % 3, f"{cluster}", groups, (f"d{cluster}",), twin))
    return rows


def _marks(cluster: int, wording: int, pronoun: str) -> dict[str, str]:
    """What the rows of suites carry; the task names none of it as a group of people."""
    return {
        "context": ("ambig", "disambig")[wording // 2 % 2],
        "polarity": ("neg", "nonneg")[wording % 2],
        "target": str(cluster % 2),
        "unknown": "2",
        "stereotype": ("pro", "anti")[wording % 2],
        "gotcha": ("no", "yes")[wording % 2],
        "pair": f"{cluster}-{wording // 2}",
        "pronoun": pronoun,
        "stereotyping": str(wording % 2),
    }


def _cell(seed: int, sets: Mapping[str, Sequence[Row]]) -> CellEvidence:
    draw = random.Random(seed)
    answers = {}
    for name, rows in sets.items():
        scores, read = [], []
        for row in rows:
            chosen = row.gold if draw.random() < 0.7 else draw.randrange(len(LABELS))
            scores.append(np.log(np.where(np.arange(len(LABELS)) == chosen, 0.8, 0.1)).astype(np.float32))
            found = [f"d{draw.randrange(CLUSTERS)}", *row.evidence]
            read.append(tuple(found if draw.random() < 0.7 else found[:1]))
        answers[name] = Answers(tuple(scores), tuple(read))
    usage = {phase: _used(number + seed + 1) for number, phase in enumerate(PHASES)}
    usage["total"] = _used(100 + seed)
    log: dict[str, Any] = {"latency_s": [0.01, 0.02, 0.03 + seed / 100]}
    log["held"] = {"by": "embed", "per_text": [draw.uniform(0.5, 1) for _ in range(20)]}
    log["retrieval_s_per_question"] = 0.01
    asset = {"index": _used(3), "retrieve": _used(5), "total": _used(6)}
    return CellEvidence(f"key{seed}", seed, usage, log, (asset,), False, answers, 1_000 + seed, 2_000)


def _used(size: int) -> Usage:
    return Usage(float(size), size / 2, size / 4, size * 1_000, size * 500, size * 100, size * 1e15, size * 1e5)


def lacking() -> dict[str, Evidence]:
    """The same evidence, each time without something that an old or failed run may lack."""
    whole = evidence()

    def cells(**changes: Any) -> Evidence:
        return replace(whole, cells=tuple(replace(cell, **changes) for cell in whole.cells))

    def unused(*phases: str) -> Evidence:
        blank = {phase: Usage() for phase in phases}
        return replace(whole, cells=tuple(replace(cell, usage={**cell.usage, **blank}) for cell in whole.cells))

    found = {
        "the log": cells(log={}),
        "the log of one seed": replace(whole, cells=(replace(whole.cells[0], log={}), *whole.cells[1:])),
        "what its assets cost": cells(assets=({},)),
        "all that was used": cells(usage={"total": Usage()}, assets=({},)),
        "the model": replace(whole, model=None),
        "prices": replace(whole, tariff=None),
        "its base": replace(whole, base=None),
        "passages": replace(whole, cells=tuple(map(_without_passages, whole.cells))),
        "anything but answers to the test set": _without(cells(usage={"total": Usage()}, assets=({},), log={}), "test"),
    }
    found.update({f"what {phase} used": unused(phase) for phase in (*PHASES, "total")})
    for name in SETS[1:]:
        others = [each for each in SETS if each != name]
        found[f"answers to {name}"] = _without(whole, *others)
    return found


def _without(whole: Evidence, *kept: str) -> Evidence:
    """With answers to these sets only."""
    cells = (replace(cell, answers={name: cell.answers[name] for name in kept}) for cell in whole.cells)
    return replace(whole, cells=tuple(cells))


def _without_passages(cell: CellEvidence) -> CellEvidence:
    return replace(cell, answers={name: Answers(found.scores) for name, found in cell.answers.items()})


def shuffled(seed: int = 0) -> Evidence:
    """The same rows and answers in another order."""
    whole = evidence()
    orders = {name: random.Random(seed).sample(range(CLUSTERS * WORDINGS), CLUSTERS * WORDINGS) for name in SETS}
    task = GivenTask({name: [whole.task[name].rows[place] for place in order] for name, order in orders.items()})

    def moved(cell: CellEvidence) -> CellEvidence:
        answers = {
            name: Answers(
                tuple(found.scores[place] for place in orders[name]),
                tuple(found.passages[place] for place in orders[name]),
            )
            for name, found in cell.answers.items()
        }
        return replace(cell, answers=answers)

    def of(found: Evidence) -> Evidence:
        return replace(
            found,
            task=cast(TaskEvidence, task),
            cells=tuple(map(moved, found.cells)),
            base=found.base and of(found.base),
        )

    return of(whole)
