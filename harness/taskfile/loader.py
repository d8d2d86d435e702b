"""A `task.toml` and its data files -> a checked `Task`, or every fault at once, each with file and line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from harness.errors import TaskFileError
from harness.keys import digest, digest_all
from harness.kinds import KINDS, KindSpec, RowFault
from harness.taskfile.across import faults_across
from harness.taskfile.files import Record, confined, read
from harness.taskfile.rows import held_out, question_set, read_row
from harness.taskfile.schema import TaskFile, line_of
from harness.types import Document, Kind, Row, Task

MAX_FAULTS_PER_FILE = 20


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
        self.faults += faults_across(spec, records, rows, files)
        self._stop_if_faulty()

        if rows.get("train") and "validation" not in rows:
            rows["train"], rows["validation"] = held_out(rows["train"])
        sets = {name: question_set(name, found) for name, found in rows.items()}
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
                self.faults.append(f"{name}:{line_of(text, where)}: {'.'.join(where)}: {fault['msg']}")
            self._stop_if_faulty()
            raise
        if spec.kind not in KINDS:
            known = ", ".join(KINDS)
            self.faults.append(f"{name}:{line_of(text, ['kind'])}: kind {spec.kind!r} is none of {known}")
        elif spec.kind == Kind.CHOICE and spec.fields.choices is None:
            self.faults.append(f"{name}:{line_of(text, ['fields'])}: kind 'choice' needs fields.choices")
        if spec.bias.twins and spec.data.twins is None:
            self.faults.append(f"{name}:{line_of(text, ['bias', 'twins'])}: bias.twins needs data.twins")
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
                line = line_of(self.path.read_text(encoding="utf-8-sig"), ["data", name])
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
                row = read_row(spec, kind, labels, described, record, f"{file.stem}-{number}", documents, set_name)
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
