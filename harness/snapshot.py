"""What a run keeps of its task and finds again in the store: question sets, answers, adaptations, surroundings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.codec import encode_documents, row_parts
from harness.keys import answers_key, folder_hash
from harness.plan import Plan
from harness.store import Store, write_part
from harness.types import QuestionSet


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Where the store keeps a task's questions and documents."""

    sets: Mapping[str, dict[str, Any]]
    documents: list[str]
    trainings: Mapping[str, Mapping[str, dict[str, Any]]] = field(default_factory=dict)
    """Id of a training -> its `train` and `validation`."""

    def trained_on(self, training: str) -> dict[str, dict[str, Any]]:
        """All sets, with those to train and to validate on as this training changes them; ``""``: the task's own."""
        return {**self.sets, **self.trainings.get(training, {})}


def save_snapshot(plan: Plan, store: Store) -> Snapshot:
    """Keep the task as it was asked: evidence must not depend on files that may change."""
    task = plan.task
    sets = _kept(store, {"train": task.train, "validation": task.validation, **plan.sets})
    trainings = {each.id: _kept(store, {"train": each.train, "validation": each.validation}) for each in plan.trainings}
    documents = [write_part(store.root, encode_documents(task.documents))] if task.documents else []
    body = {
        "name": task.name,
        "kind": task.kind,
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
    known = store.latest("task", task.fingerprint)
    if known is None or known.body.get("positive") != task.positive:  # a store from before it was kept
        store.append("task", task.fingerprint, "", body)
    return Snapshot(sets, documents, trainings)


def _kept(store: Store, sets: Mapping[str, QuestionSet | None]) -> dict[str, dict[str, Any]]:
    return {
        name: {
            "parts": [write_part(store.root, part) for part in row_parts(found.rows)],
            "fingerprint": found.fingerprint,
        }
        for name, found in sets.items()
        if found is not None
    }


def stored_answers(store: Store, key: str, fingerprint: str) -> list[bytes] | None:
    """The parts of stored answers, or None if there are none or any is damaged."""
    record = store.latest("answers", answers_key(key, fingerprint))
    return None if record is None else store.parts(record.body["parts"])


def kept_adaptation(store: Store, key: str) -> dict[str, Any] | None:
    """The record of a kept adaptation whose files are still what was saved, or None."""
    record, folder = store.latest("artifact", key), artifact_folder(store, key)
    if record is None or not folder.is_dir() or folder_hash(folder)[0] != record.body["sha256"]:
        return None
    return {**record.body, "folder": str(folder)}


def artifact_folder(store: Store, key: str) -> Path:
    """Where an adaptation is kept; a store may have been moved since."""
    return store.root.resolve() / "artifacts" / key
