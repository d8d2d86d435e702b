"""A task of a few facts, small enough to run in milliseconds and whole enough to try everything on."""

from __future__ import annotations

import json
import tomllib
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

FACTS = (
    ("owls", "night"),
    ("larks", "morning"),
    ("bats", "dusk"),
    ("bees", "noon"),
    ("foxes", "dawn"),
    ("cats", "evening"),
)


def tiny_task(folder: Path, copies: int = 5) -> Path:
    """Write a choice task with documents, twins, groups and an extra test; returns its `task.toml`.

    Facts of the last third are never trained on and make up the extra test `unseen_facts`.
    """
    trained = FACTS[: 2 * len(FACTS) // 3]
    files: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for number, (subject, time) in enumerate(FACTS):
        files["documents"].append({"id": subject, "title": subject, "text": f"{subject} are active at {time}"})
        others = [other for _, other in (trained if (subject, time) in trained else FACTS) if other != time][:3]
        for copy in range(copies):
            place = (number + copy) % 4
            row = {
                "id": f"{subject}-{copy}",
                "fact": subject,
                "document": subject,
                "question": f"when are {subject} active, wording {copy}?",
                "choices": [*others[:place], time, *others[place:]],
                "answer": place,
            }
            if (subject, time) not in trained:
                files["unseen"].append(row)
            elif copy < copies - 2:
                files["train"].append(row)
            else:
                files["validation" if copy == copies - 2 else "test"].append(row)
        for person, gender in (("Ann", "female"), ("Bob", "male")):
            twin = {**row, "id": f"{subject}-{person}", "question": f"{person} asks when {subject} are active"}
            files["twins"].append({**twin, "pair": subject, "gender": gender})
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    path = folder / "task.toml"
    path.write_text(
        'name = "tiny"\nkind = "choice"\n\n[data]\ntrain = "train.jsonl"\nvalidation = "validation.jsonl"\n'
        'test = "test.jsonl"\ntwins = "twins.jsonl"\ndocuments = "documents.jsonl"\n\n[data.extra_tests]\n'
        'unseen_facts = { file = "unseen.jsonl", disjoint_by = "fact" }\n\n[fields]\nid = "id"\n'
        'choices = "choices"\ncluster = "fact"\nevidence = "document"\n\n'
        '[bias]\ngroups = ["gender"]\ntwins = "pair"\n',
        encoding="utf-8",
    )
    return path


TESTS = ("test", "unseen", "twins")
FOLLOWS = {"train": ("validation",), "documents": ("evidence",)}
"""What cannot be there without it."""
Rows = list[dict[str, Any]]


def regraded(task: Path) -> Path:
    """The same task with other answers to its test questions."""

    def other(rows: Rows) -> Rows:
        return [{**row, "answer": (row["answer"] + 1) % len(row["choices"])} for row in rows]

    return _changed(task, "regraded", other)


def reordered(task: Path) -> Path:
    """The same task with its test questions backwards, and without the first of each set."""
    return _changed(task, "reordered", lambda rows: rows[:0:-1])


def _changed(task: Path, name: str, change: Callable[[Rows], Rows]) -> Path:
    folder = task.parent / name
    folder.mkdir()
    for file in task.parent.iterdir():
        if not file.is_file():
            continue
        text = file.read_text(encoding="utf-8")
        if file.stem in TESTS:
            rows = change([json.loads(line) for line in text.splitlines()])
            text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / file.name).write_text(text, encoding="utf-8")
    return folder / task.name


def bare(task: Path, *parts: str) -> Path:
    """The same task without some of its parts: `train`, `documents`."""
    gone = {*parts, "validation"} if "train" in parts else set(parts)
    lines = task.read_text(encoding="utf-8").splitlines()
    kept = [
        line
        for line in lines
        if line.split(" = ")[0] not in gone and ("documents" not in gone or "evidence" not in line)
    ]
    path = task.with_name(f"without-{'-'.join(sorted(gone))}.toml")
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    assert not gone & tomllib.loads(path.read_text(encoding="utf-8"))["data"].keys()
    return path
