"""Runs written straight into a store, as if rows had been answered so: for what reads runs and needs no model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.codec import PART_ROWS, encode_answers, encode_documents, row_parts
from harness.keys import answers_key, digest, digest_all
from harness.store import Store, write_part
from harness.types import Answers, Arm, Document, Row, Status, Usage

ENVIRONMENT = {"python": "3.11.0", "system": "Linux", "machine": "x86_64", "cores": 2, "versions": {"numpy": "2.0"}}


@dataclass(frozen=True, slots=True)
class WrittenArm:
    """An arm and what it answered."""

    strategy: str
    seeds: Sequence[Mapping[str, Answers]]
    """Of every seed, by question set; none: the arm did not run."""
    backend: str = "fake"
    model: str | None = "words"
    settings: Mapping[str, Any] = field(default_factory=dict)
    log: Mapping[str, Any] = field(default_factory=dict)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """By phase."""
    status: Status = Status.DONE
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class WrittenTask:
    """What a run keeps of its task."""

    sets: Mapping[str, Sequence[Row]]
    """By name: `test`, further tests, and other sets that are asked."""
    name: str = "written"
    labels: Sequence[str] = ()
    groups: Sequence[str] = ()
    documents: Sequence[Document] = ()
    primary: str = "accuracy"
    extra_tests: Sequence[str] = ()
    suites: Sequence[str] = ()
    positive: str | None = None
    abstain: str | None = None


def write_run(
    root: Path,
    run: str,
    task: WrittenTask,
    arms: Sequence[WrittenArm],
    environment: Mapping[str, Any] = ENVIRONMENT,
    ended: bool = True,
) -> str:
    """Append a run to the store in this folder; returns its id."""
    store = Store(root)
    try:
        fingerprint, sets = _write_task(store, task)
        cells = [(arm, seed, answers) for arm in arms for seed, answers in enumerate(arm.seeds or ({},))]
        planned = [_planned(run, arm, seed) for arm, seed, _ in cells]
        body = {"task": {"name": task.name, "fingerprint": fingerprint}, "environment": dict(environment)}
        store.append("run", run, run, {**body, "findings": [], "seeds": [0], "unasked": {}, "cells": planned})
        for (arm, _, answers), cell in zip(cells, planned, strict=True):
            if arm.status is not Status.PLANNED:
                _write_cell(store, run, cell["key"], arm, answers, sets)
        if ended:
            store.append("ended", run, run, {"status": Status.DONE})
    finally:
        store.close()
    return run


def _write_task(store: Store, task: WrittenTask) -> tuple[str, dict[str, dict[str, Any]]]:
    sets = {
        name: {
            "parts": [write_part(store.root, part) for part in row_parts(rows)],
            "fingerprint": digest_all(_content(row) for row in rows),
        }
        for name, rows in task.sets.items()
    }
    documents = [write_part(store.root, encode_documents(task.documents))] if task.documents else []
    body = {
        "name": task.name,
        "kind": "classification" if task.labels else "choice",
        "labels": list(task.labels),
        "groups": list(task.groups),
        "positive": task.positive,
        "abstain": task.abstain,
        "primary": task.primary,
        "tests": list(task.extra_tests),
        "suites": list(task.suites),
        "sets": sets,
        "documents": documents,
    }
    fingerprint = digest(body)
    store.append("task", fingerprint, "", body)
    return fingerprint, sets


def _content(row: Row) -> list[Any]:
    return [row.question.id, row.question.text, list(row.question.choices), row.gold, row.cluster, dict(row.groups)]


def _planned(run: str, arm: WrittenArm, seed: int) -> dict[str, Any]:
    return {
        "key": digest([run, arm.strategy, arm.backend, arm.model, seed]),
        "arm": asdict(Arm(arm.strategy, arm.backend, arm.model, dict(arm.settings))),
        "seed": seed,
        "seeded": True,
        "trained": False,
        "training": "",
        "untrained": None,
        "status": Status.SKIPPED if arm.status is Status.SKIPPED else Status.PLANNED,
        "reason": arm.reason,
        "estimate": None,
        "assets": [],
        "control": False,
        "model": None,
        "device": "cpu",
    }


def _write_cell(
    store: Store,
    run: str,
    key: str,
    arm: WrittenArm,
    answers: Mapping[str, Answers],
    sets: Mapping[str, Mapping[str, Any]],
) -> None:
    for name, found in answers.items():
        fingerprint = sets[name]["fingerprint"]
        parts = [write_part(store.root, encode_answers(part)) for part in _in_parts(found)]
        body = {"answers": name, "fingerprint": fingerprint, "parts": parts, "n": len(found.scores)}
        store.append("answers", answers_key(key, fingerprint), run, body)
    usage = {name: asdict(used) for name, used in {"total": Usage(), **arm.usage}.items()}
    ended = {"status": arm.status, "reason": arm.reason, "usage": usage, "log": dict(arm.log), "contended": False}
    if arm.status is not Status.SKIPPED:
        store.append("cell", key, run, ended)


def _in_parts(answers: Answers) -> Iterator[Answers]:
    for start in range(0, len(answers.scores), PART_ROWS):
        kept = slice(start, start + PART_ROWS)
        yield Answers(answers.scores[kept], answers.passages[kept])
