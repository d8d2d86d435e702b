"""A `task.toml` and its data -> a checked `Task`, or every fault at once, each with file and line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import unknown
from harness.keys import digest, digest_all
from harness.kinds import KINDS, RowFault, as_label, shown
from harness.taskfile.across import faults_across
from harness.taskfile.columns import DOCUMENT, absent, listed
from harness.taskfile.faults import refuse
from harness.taskfile.files import Table
from harness.taskfile.header import contradictions, read_header
from harness.taskfile.rows import Blank, BlankQuestion, Labels, Placed, PlacedRows, RowReader, held_out, question_set
from harness.taskfile.schema import TaskFile
from harness.taskfile.sources import read_sets
from harness.types import Document, Kind, Task


def load_task(path: Path, data: Path | None = None) -> Task:
    """Read and check a task file; raises `TaskFileError` with every fault found."""
    return _Loader(path, data).load()


@dataclass(frozen=True, slots=True)
class SetRows:
    """One question set as its file has it."""

    rows: PlacedRows
    blank: list[Blank]
    """Rows that ask nothing, which are no rows of a task."""


def read_rows(path: Path, data: Path | None = None) -> tuple[TaskFile, Mapping[str, SetRows]]:
    """The rows of every set with their places; any fault but a blank question raises `TaskFileError`."""
    loader = _Loader(path, data, {})
    placed = loader.placed()
    return loader.spec, {name: SetRows(rows, (loader.blank or {}).get(name, [])) for name, rows in placed.items()}


class _Loader:
    def __init__(self, path: Path, data: Path | None, blank: dict[str, list[Blank]] | None = None) -> None:
        """Given `blank`, blank questions are collected there and are no faults."""
        self.header = read_header(path)
        self.spec = self.header.spec
        self.beside, self.data = path.parent, data
        self.faults: list[str] = []
        self.blank = blank

    def placed(self) -> dict[str, PlacedRows]:
        for where, fault in contradictions(self.spec):
            self.faults.append(f"{self.header.place(*where)}: {fault}")
        self.header, tables = read_sets(self.header, self.beside, self.data, self.faults)
        spec = self.spec = self.header.spec
        self.documents, known = self._documents(tables.pop("documents", None))
        unreadable = absent(self.header, tables, self.faults)
        self.labels = labels = self._labels(tables, unreadable)
        placed = {
            name: self._rows(name, table, RowReader(spec, labels, known, name))
            for name, table in tables.items()
            if name not in unreadable
        }
        self.faults += faults_across(spec, placed)
        self.faults += self._never_offered(placed)
        refuse(self.faults)
        return placed

    def load(self) -> Task:
        placed = self.placed()
        spec, documents, labels = self.spec, self.documents, self.labels
        rows = {name: found.rows for name, found in placed.items()}
        if "train" in placed and "validation" not in placed:
            rows["train"], validation = held_out(placed["train"])
            if validation:  # else all of train hangs together, and nothing of it can stand apart
                rows["validation"] = validation
        sets = {name: question_set(name, found) for name, found in rows.items()}
        documents_fingerprint = digest_all((d.id, d.title, d.text) for d in documents)
        return Task(
            name=spec.name,
            kind=Kind(spec.kind),
            description=spec.description,
            licence=spec.licence,
            primary=spec.primary,
            labels=labels.names,
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
                    "spec": spec.model_dump(mode="json", exclude={"criteria"}),
                    "sets": {name: found.fingerprint for name, found in sets.items()},
                    "documents": documents_fingerprint,
                }
            ),
            positive=spec.bias.positive,
            abstain=spec.fields.abstain,
            criteria=spec.criteria,
        )

    def _never_offered(self, placed: Mapping[str, PlacedRows]) -> Iterator[str]:
        abstain = self.spec.fields.abstain
        if abstain is None or KINDS[self.spec.kind].has_labels or "test" not in placed:
            return
        if not any(abstain in row.question.choices for row in placed["test"].rows):
            place = self.header.place("fields", "abstain")
            yield f"{place}: fields.abstain: {shown(abstain)} is a choice of no test question"

    def _documents(self, table: Table | None) -> tuple[tuple[Document, ...], frozenset[str] | None]:
        """The documents, and their ids if evidence can be held against them."""
        if table is None:
            return (), None
        before = len(self.faults)
        if table.whole and not table.count:
            self.faults.append(f"{table.place}: no documents")
        missing = [column for column in ("id", "text") if table.count and column not in table.columns]
        for column in missing:
            self.faults.append(
                f"{table.place}: no document has a column {column!r}; its columns are {listed(table.columns)}"
            )
        documents, seen = [], dict[str, str]()
        for record in () if missing else table.records:
            texts = {key: "" if record.values.get(key) is None else record.values[key] for key in DOCUMENT}
            wrong = [key for key, value in texts.items() if not isinstance(value, str)]
            wrong += [key for key in ("id", "text") if isinstance(texts[key], str) and not texts[key].strip()]
            if wrong:
                self.faults.append(f"{record.place}: a document needs text in {', '.join(sorted(set(wrong)))}")
                continue
            if texts["id"] in seen:
                self.faults.append(f"{record.place}: id {shown(texts['id'])} is also on {seen[texts['id']]}")
            seen[texts["id"]] = record.place
            documents.append(Document(**texts))
        return tuple(documents), frozenset(seen) if table.whole and len(self.faults) == before else None

    def _labels(self, tables: Mapping[str, Table], unreadable: set[str]) -> Labels:
        spec = self.spec
        if not KINDS[spec.kind].has_labels:
            return Labels()
        if spec.labels:
            names, learnt_from = tuple(spec.labels), None
        else:
            # A label that only a test asks for could not be learnt, and is more often a slip of the pen.
            sources = ["train", "validation"] if "train" in tables else ["validation", "test"]
            sources = [name for name in sources if name in tables]
            learnt_from = "training" if "train" in tables else "test"
            if unreadable & {*sources} or not all(tables[name].whole and tables[name].count for name in sources):
                sources = list(tables)  # what is missing may have had them: no second fault for the same cause
            answers = (record.values.get(spec.fields.answer) for name in sources for record in tables[name].records)
            names = tuple(sorted({label for label in map(as_label, answers) if label is not None}))
        for where, named in ((("bias", "positive"), spec.bias.positive), (("fields", "abstain"), spec.fields.abstain)):
            if named is not None and named not in names:
                self.faults.append(f"{self.header.place(*where)}: {'.'.join(where)}: {unknown('label', named, names)}")
        described = tuple(spec.labels.get(name) or name.replace("_", " ") for name in names)
        return Labels(names, described, learnt_from)

    def _rows(self, name: str, table: Table, reader: RowReader) -> PlacedRows:
        if table.whole and not table.count:
            self.faults.append(f"{table.place}: no rows; a question set cannot be empty")
        return PlacedRows(self._read(name, table, reader))

    def _read(self, name: str, table: Table, reader: RowReader) -> Iterator[Placed]:
        for number, record in enumerate(table.records, 1):
            try:
                yield reader.read(record, f"{name}-{number}")
            except BlankQuestion as fault:
                if self.blank is None:
                    self.faults.append(f"{record.place}: {fault}")
                else:
                    self.blank.setdefault(name, []).append(reader.blank(record, f"{name}-{number}"))
            except RowFault as fault:
                self.faults.append(f"{record.place}: {fault}")
