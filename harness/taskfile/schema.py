"""The schema of a `task.toml`, and where in its text a key stands."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class ExtraTest(_Section):
    file: str
    disjoint_by: str | None = None


class DataSection(_Section):
    test: str
    train: str | None = None
    validation: str | None = None
    documents: str | None = None
    twins: str | None = None
    extra_tests: dict[str, str | ExtraTest] = Field(default_factory=dict)


class FieldsSection(_Section):
    id: str | None = None
    question: str | list[str] = "question"
    choices: str | None = None
    answer: str = "answer"
    cluster: str | None = None
    together: str | None = None
    evidence: str | None = None
    columns: list[str] = Field(default_factory=list)


class BiasSection(_Section):
    groups: list[str] = Field(default_factory=list)
    twins: str | None = None
    positive: str | None = None


class TaskFile(_Section):
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")
    kind: str
    data: DataSection
    description: str = ""
    licence: str = "unknown"
    primary: str = "accuracy"
    fields: FieldsSection = Field(default_factory=FieldsSection)
    bias: BiasSection = Field(default_factory=BiasSection)
    labels: dict[str, str] = Field(default_factory=dict)


def line_of(text: str, where: Sequence[str]) -> int:
    """The line of a key of a TOML text: the last of `where`, after the tables that precede it."""
    lines = text.split("\n")
    start = 0
    for depth in range(len(where) - 1, 0, -1):
        table = re.compile(r"^\s*\[\s*" + r"\s*\.\s*".join(map(re.escape, where[:depth])) + r"\s*\]")
        found = next((n for n, line in enumerate(lines) if table.match(line)), None)
        if found is not None:
            start = found
            break
    key = re.compile(r"^\s*\[?[\w.\"' -]*\b" + re.escape(where[-1]) + r"\b[\"']?\s*[=\]]") if where else None
    for n in range(start, len(lines)):
        if key and key.match(lines[n]):
            return n + 1
    return start + 1
