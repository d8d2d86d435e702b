"""Evidence made by hand, for tests of measures: rows, answers and usage as a store would give them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import numpy as np
import pytest

import harness_measures
from harness.evidence import CellEvidence, Evidence, TaskEvidence
from harness.prices import Accelerator, Price, PriceBook, Tariff
from harness.types import Answers, Arm, Basis, Measurement, ModelCard, Question, QuestionSet, Row, Usage

SPECS = {spec.name: spec for spec in harness_measures.harness_measures()}
LABELS = ("A", "B", "C")
MODEL = ModelCard("tiny", "encoder", "r1", "/nowhere", 1, 1, 1, 1)
GPU = Accelerator("NVIDIA T4", 65e12, 16e9, 0.15, 0.3, 0.45, "https://example.org")
T4 = Price("aws", "us-east-1", "NVIDIA T4", "hour", 0.5, "2019-09-20", "https://example.org", "g4dn.xlarge")
VCPU = Price("aws", "us-east-1", "vCPU", "hour", 0.036, "2019-09-20", "https://example.org")

Chosen = Mapping[str, Sequence[int]]
Read = Mapping[str, Sequence[Sequence[str]]]


class GivenTask:
    """What measures read of a task, without a store."""

    def __init__(
        self,
        sets: Mapping[str, Sequence[Row]],
        labels: Sequence[str],
        groups: Sequence[str],
        positive: str | None,
        abstain: str | None,
    ) -> None:
        self._sets = {name: QuestionSet(name, tuple(rows), name) for name, rows in sets.items()}
        self.labels, self.groups, self.positive, self.abstain = tuple(labels), tuple(groups), positive, abstain

    def __contains__(self, name: str) -> bool:
        return name in self._sets

    def __getitem__(self, name: str) -> QuestionSet:
        return self._sets[name]


def row(
    cluster: str = "a", gold: int = 0, evidence: tuple[str, ...] = (), twin: str | None = None, **groups: str
) -> Row:
    return Row(Question("q", (), LABELS), gold, cluster, groups, evidence, twin)


def answers(chosen: Sequence[int], read: Sequence[Sequence[str]] = ()) -> Answers:
    scores = np.eye(len(LABELS), dtype=np.float32)
    return Answers(tuple(scores[number] for number in chosen), tuple(tuple(passages) for passages in read))


def finished(
    chosen: Chosen | None = None,
    read: Read | None = None,
    usage: Mapping[str, Usage] | None = None,
    log: Mapping[str, Any] | None = None,
    assets: Sequence[Mapping[str, Usage]] = (),
) -> CellEvidence:
    """One cell; `chosen` and `read` are by question set."""
    found = {name: answers(numbers, (read or {}).get(name, ())) for name, numbers in (chosen or {}).items()}
    return CellEvidence("key", 0, usage or {"total": Usage()}, log or {}, tuple(assets), False, found)


def made(
    sets: Mapping[str, Sequence[Row]],
    *cells: CellEvidence,
    labels: Sequence[str] = (),
    groups: Sequence[str] = (),
    positive: str | None = None,
    abstain: str | None = None,
    prices: Sequence[Price] = (T4, VCPU),
    model: ModelCard | None = MODEL,
    device: str = "cpu",
    gpu: str | None = None,
) -> Evidence:
    task = cast(TaskEvidence, GivenTask(sets, labels, groups, positive, abstain))
    tariff = Tariff(GPU, PriceBook(tuple(prices), (GPU,)))
    arm = Arm("full", "fake", model and model.id, {})
    return Evidence(arm, task, cells, model, device, True, gpu=gpu, tariff=tariff)


def measured(name: str, evidence: Evidence) -> Measurement:
    """Through the hook, as a report takes it."""
    return SPECS[name].compute(evidence)


def same(found: Measurement, value: float, low: float, high: float, n: int) -> None:
    assert (found.value, found.low, found.high) == pytest.approx((value, low, high))
    assert (found.n, found.basis, found.reason) == (n, Basis.MEASURED, None)


def unknown(found: Measurement, why: str) -> None:
    """Never 0, never a part of a sum, and no interval around nothing."""
    assert (found.value, found.low, found.high, found.spread) == (None, None, None, None)
    assert found.reason is not None
    assert why in found.reason
