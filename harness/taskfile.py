"""A `task.toml` and its data files -> a checked `Task`, or every fault at once, each with file and line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import TaskFileError
from harness.keys import digest, digest_all
from harness.kinds import KINDS, KindSpec, RowFault
from harness.rows import Record, confined, read
from harness.types import Document, Kind, Question, QuestionSet, Row, Task, Text

VALIDATION_SHARE = 0.1
MAX_FAULTS_PER_FILE = 20


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


def load_task(path: Path, data: Path | None = None) -> Task:
    """Read and check a task file; raises `TaskFileError` with every fault found."""
    return _Loader(path, data).load()


class _Loader:
    def __init__(self, path: Path, data: Path | None) -> None:
        self.path = path
        self.root = data or path.parent
        self.faults: list[str] = []

    def load(self) -> Task:
        spec = self._header()
        kind = KINDS[Kind(spec.kind)]
        files = self._files(spec)
        self._stop_if_faulty()

        records = {name: list(read(file, spec.fields.columns, self.faults)) for name, file in files.items()}
        documents = self._documents(records.pop("documents", []))
        labels = self._labels(spec, kind, records)
        known_documents = {document.id for document in documents} if documents else None
        rows = {
            name: self._rows(spec, kind, labels, found, files[name], known_documents, name)
            for name, found in records.items()
        }
        self._check_across(spec, records, rows, files)
        self._stop_if_faulty()

        if rows.get("train") and "validation" not in rows:
            rows["train"], rows["validation"] = _held_out(rows["train"])
        sets = {name: _question_set(name, found) for name, found in rows.items()}
        documents_fingerprint = digest_all((d.id, d.title, d.text) for d in documents)
        return Task(
            name=spec.name,
            kind=Kind(spec.kind),
            description=spec.description,
            licence=spec.licence,
            primary=spec.primary,
            labels=labels,
            train=sets.get("train"),
            validation=sets.get("validation"),
            test=sets["test"],
            extra_tests={name: sets[name] for name in spec.data.extra_tests},
            twins=sets.get("twins"),
            documents=documents,
            documents_fingerprint=documents_fingerprint,
            groups=tuple(spec.bias.groups),
            fingerprint=digest(
                {
                    "spec": spec.model_dump(mode="json"),
                    "sets": {name: found.fingerprint for name, found in sets.items()},
                    "documents": documents_fingerprint,
                }
            ),
        )

    # -- the TOML itself ---------------------------------------------------------------------------

    def _header(self) -> TaskFile:
        name = self.path.name
        try:
            text = self.path.read_bytes().decode("utf-8-sig")
        except OSError as error:
            raise TaskFileError([f"{self.path}: {error.strerror or error}"]) from None
        except UnicodeDecodeError as error:
            raise TaskFileError([f"{name}: not UTF-8 (byte {error.start})"]) from None
        try:
            raw = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise TaskFileError([f"{name}: not TOML: {error}"]) from None
        try:
            spec = TaskFile.model_validate(raw)
        except ValidationError as error:
            for fault in error.errors(include_url=False):
                where = [str(part) for part in fault["loc"] if part not in ("str", "ExtraTest", "list[str]")]
                self.faults.append(f"{name}:{_line_of(text, where)}: {'.'.join(where)}: {fault['msg']}")
            self._stop_if_faulty()
            raise
        if spec.kind not in KINDS:
            known = ", ".join(KINDS)
            self.faults.append(f"{name}:{_line_of(text, ['kind'])}: kind {spec.kind!r} is none of {known}")
        elif spec.kind == Kind.CHOICE and spec.fields.choices is None:
            self.faults.append(f"{name}:{_line_of(text, ['fields'])}: kind 'choice' needs fields.choices")
        if spec.bias.twins and spec.data.twins is None:
            self.faults.append(f"{name}:{_line_of(text, ['bias', 'twins'])}: bias.twins needs data.twins")
        reserved = {"train", "validation", "test", "twins", "documents"} & set(spec.data.extra_tests)
        for clash in sorted(reserved):
            self.faults.append(f"{name}: extra_tests.{clash}: the name is taken by the task's own set")
        self._stop_if_faulty()
        return spec

    def _files(self, spec: TaskFile) -> dict[str, Path]:
        named = {
            "train": spec.data.train,
            "validation": spec.data.validation,
            "test": spec.data.test,
            "twins": spec.data.twins,
            "documents": spec.data.documents,
        }
        for name, extra in spec.data.extra_tests.items():
            named[name] = extra if isinstance(extra, str) else extra.file
        files = {}
        for name, file in named.items():
            if file is None:
                continue
            try:
                files[name] = confined(self.root, file)
            except (ValueError, OSError) as error:
                line = _line_of(self.path.read_text(encoding="utf-8-sig"), ["data", name])
                self.faults.append(f"{self.path.name}:{line}: data.{name}: {error}")
        return files

    # -- the data ----------------------------------------------------------------------------------

    def _documents(self, records: Sequence[Record]) -> tuple[Document, ...]:
        documents, seen = [], dict[str, str]()
        for record in records:
            values = record.values
            texts = {key: values.get(key, "") for key in ("id", "text", "title")}
            wrong = [key for key, value in texts.items() if not isinstance(value, str)]
            wrong += [key for key in ("id", "text") if isinstance(texts[key], str) and not texts[key].strip()]
            if wrong:
                self.faults.append(f"{record.place}: a document needs text in {', '.join(sorted(set(wrong)))}")
                continue
            if texts["id"] in seen:
                self.faults.append(f"{record.place}: id {texts['id']!r} is also on {seen[texts['id']]}")
            seen[texts["id"]] = record.place
            documents.append(Document(**texts))
        return tuple(documents)

    def _labels(self, spec: TaskFile, kind: KindSpec, records: Mapping[str, Iterable[Record]]) -> tuple[str, ...]:
        if not kind.has_labels:
            return ()
        if spec.labels:
            return tuple(spec.labels)
        found = {
            str(record.values[spec.fields.answer])
            for name, rows in records.items()
            if name in {"train", "validation", "test"}
            for record in rows
            if record.values.get(spec.fields.answer) not in (None, "")
        }
        return tuple(sorted(found))

    def _rows(
        self,
        spec: TaskFile,
        kind: KindSpec,
        labels: tuple[str, ...],
        records: Sequence[Record],
        file: Path,
        documents: set[str] | None,
        set_name: str,
    ) -> tuple[Row, ...]:
        rows: list[Row] = []
        places: dict[str, str] = {}
        described = tuple(spec.labels.get(label) or label.replace("_", " ") for label in labels)
        before = len(self.faults)
        for number, record in enumerate(records, 1):
            try:
                row = _row(spec, kind, labels, described, record, f"{file.stem}-{number}", documents, set_name)
            except RowFault as fault:
                self.faults.append(f"{record.place}: {fault}")
                continue
            if row.question.id in places:
                first = places[row.question.id]
                self.faults.append(f"{record.place}: id {row.question.id!r} is also on {first}")
            places[row.question.id] = record.place
            rows.append(row)
        if not records and len(self.faults) == before:
            self.faults.append(f"{file.name}:1: no rows; a question set cannot be empty")
        return tuple(rows)

    def _check_across(
        self,
        spec: TaskFile,
        records: Mapping[str, Sequence[Record]],
        rows: Mapping[str, Sequence[Row]],
        files: Mapping[str, Path],
    ) -> None:
        together = spec.fields.together
        if together:
            seen: dict[Any, tuple[str, str]] = {}
            for name in ("train", "validation", "test"):
                for record in records.get(name, ()):
                    value = _hashable(record.values.get(together))
                    if value is None:
                        continue
                    first = seen.setdefault(value, (name, record.place))
                    if first[0] != name:
                        self.faults.append(
                            f"{record.place}: {together} {value!r} must stay together but is also on {first[1]}"
                        )
        for name, extra in spec.data.extra_tests.items():
            if isinstance(extra, str) or extra.disjoint_by is None:
                continue
            column = extra.disjoint_by
            trained: dict[Any, str] = {}
            for split in ("train", "validation"):
                for record in records.get(split, ()):
                    trained.setdefault(_hashable(record.values.get(column)), record.place)
            for record in records.get(name, ()):
                value = _hashable(record.values.get(column))
                if value is None:
                    self.faults.append(f"{record.place}: {name} is disjoint by {column!r}, which is missing")
                elif value in trained:
                    self.faults.append(f"{record.place}: {column} {value!r} is also on {trained[value]}")
        asked: dict[str, str] = {}
        for name in ("train", "validation", "test", *spec.data.extra_tests):
            for row in rows.get(name, ()):
                if spec.fields.id and asked.setdefault(row.question.id, name) != name:
                    other = files[asked[row.question.id]].name
                    self.faults.append(f"{files[name].name}: id {row.question.id!r} is also in {other}")

    def _stop_if_faulty(self) -> None:
        if not self.faults:
            return
        shown: list[str] = []
        counts: dict[str, int] = {}
        for fault in self.faults:
            file = fault.split(":", 1)[0]
            counts[file] = counts.get(file, 0) + 1
            if counts[file] <= MAX_FAULTS_PER_FILE:
                shown.append(fault)
        shown += [
            f"{file}: {count - MAX_FAULTS_PER_FILE} more faults"
            for file, count in counts.items()
            if count > MAX_FAULTS_PER_FILE
        ]
        raise TaskFileError(shown)


def _row(
    spec: TaskFile,
    kind: KindSpec,
    labels: tuple[str, ...],
    described: tuple[str, ...],
    record: Record,
    default_id: str,
    documents: set[str] | None,
    set_name: str,
) -> Row:
    values, fields = record.values, spec.fields
    columns = [fields.question] if isinstance(fields.question, str) else fields.question
    content = tuple(Text(_text(values, column)) for column in columns)
    choices = described if kind.has_labels else kind.read_choices(values, fields.choices or "")
    gold = kind.read_answer(values, fields.answer, labels if kind.has_labels else choices)
    name = _text(values, fields.id) if fields.id else default_id
    cluster = _text(values, fields.cluster) if fields.cluster else name
    evidence = _strings(values.get(fields.evidence)) if fields.evidence else ()
    if documents is not None:
        for document in evidence:
            if document not in documents:
                raise RowFault(f"evidence {document!r} is not a document")
    groups = {group: str(values[group]) for group in spec.bias.groups if values.get(group) not in (None, "")}
    twin = None
    if set_name == "twins" and spec.bias.twins:
        twin = _text(values, spec.bias.twins)
    return Row(Question(name, content, choices), gold, cluster, groups, evidence, twin)


def _text(values: Mapping[str, Any], column: str) -> str:
    if column not in values:
        raise RowFault(f"column {column!r} is missing; the row has {', '.join(map(str, values))}")
    value = values[column]
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RowFault(f"{column} must be text, got {type(value).__name__}")
    if not str(value).strip():
        raise RowFault(f"{column} is empty")
    return str(value)


def _strings(value: Any) -> tuple[str, ...]:
    if value is None:
        return ()
    if isinstance(value, str):
        return (value,)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return tuple(value)
    raise RowFault(f"evidence must be a document id or a list of them, got {value!r}")


def _hashable(value: Any) -> Any:
    return value if isinstance(value, str | int | float | None) else str(value)


def _held_out(rows: Sequence[Row]) -> tuple[tuple[Row, ...], tuple[Row, ...]]:
    """Train and validation by whole clusters, in an order that depends only on the cluster's name."""
    clusters = sorted({row.cluster for row in rows}, key=lambda cluster: digest(cluster))
    held = set(clusters[: max(1, round(VALIDATION_SHARE * len(clusters)))]) if len(clusters) > 1 else set()
    return (
        tuple(row for row in rows if row.cluster not in held),
        tuple(row for row in rows if row.cluster in held),
    )


def _question_set(name: str, rows: tuple[Row, ...]) -> QuestionSet:
    return QuestionSet(name, rows, set_fingerprint(rows))


def set_fingerprint(rows: Iterable[Row]) -> str:
    """Hash of everything in the rows, in order."""
    return digest_all(
        (
            row.question.id,
            [part.text for part in row.question.content],
            row.question.choices,
            row.gold,
            row.cluster,
            dict(row.groups),
            row.evidence,
            row.twin,
        )
        for row in rows
    )


def _line_of(text: str, where: Sequence[str]) -> int:
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
