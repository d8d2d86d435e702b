"""Where the rows of every set come from: files beside the task file, or the splits of a dataset."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from pathlib import Path

from harness.errors import unknown
from harness.kinds import KINDS, shown
from harness.taskfile.columns import DOCUMENT, needs
from harness.taskfile.faults import refuse
from harness.taskfile.files import Table, confined, read
from harness.taskfile.header import Header
from harness.taskfile.hub import DatasetFault
from harness.taskfile.schema import TaskFile
from harness.taskfile.splits import opened


def read_sets(header: Header, beside: Path, data: Path | None, faults: list[str]) -> tuple[Header, dict[str, Table]]:
    """Every set whole, `documents` among them, and the header with the splits that a dataset has by itself.

    What cannot be opened is refused at once (`TaskFileError`); what cannot be read is added to `faults`.
    """
    if header.spec.data.hf is None:
        return header, _of_files(header, data or beside, faults)
    try:
        return _of_dataset(header, header.spec.data.hf, data, faults)
    except DatasetFault as fault:
        faults.append(f"{header.place('data', 'hf')}: data.hf: {shown(header.spec.data.hf)} {fault}")
        refuse(faults)
        raise


def _of_files(header: Header, root: Path, faults: list[str]) -> dict[str, Table]:
    files: dict[str, Path] = {}
    for name, file in header.spec.files.items():
        try:
            files[name] = confined(root, file)
        except ValueError as error:
            faults.append(f"{_place(header, name)}: {error}")
    _read_once(header, files, faults)
    refuse(faults)
    columns, wanted = header.spec.fields.columns, _wanted(header.spec)
    return {
        name: read(file, (), DOCUMENT, faults) if name == "documents" else read(file, columns, wanted, faults)
        for name, file in files.items()
    }


def _of_dataset(header: Header, hf: str, data: Path | None, faults: list[str]) -> tuple[Header, dict[str, Table]]:
    refuse(faults)  # before anything is imported or fetched
    asked = header.spec.data
    with opened(hf, asked.config, asked.revision, data) as splits:
        spec = _with_own_splits(header.spec, splits.names)
        header = replace(header, spec=spec)
        for name, split in spec.files.items():
            if split not in splits.names:
                faults.append(f"{_place(header, name)}: {unknown('split', split, splits.names)}")
        _read_once(header, spec.files, faults)
        refuse(faults)
        splits.prepare()
        wanted = _wanted(spec)
        answer = None if KINDS[spec.kind].has_labels else (spec.fields.answer, spec.fields.choices or ())
        return header, {
            name: splits.read(split, DOCUMENT, faults)
            if name == "documents"
            else splits.read(split, wanted, faults, answer)
            for name, split in spec.files.items()
        }


def _with_own_splits(spec: TaskFile, names: tuple[str, ...]) -> TaskFile:
    """Train and validation are the splits of these names, where no set is asked to be another."""
    taken = set(spec.files.values())
    own: dict[str, str] = {
        name: name
        for name in ("train", "validation")
        if getattr(spec.data, name) is None and name in names and name not in taken
    }
    return spec.model_copy(update={"data": spec.data.model_copy(update=own)})


def _read_once(header: Header, sources: Mapping[str, Hashable], faults: list[str]) -> None:
    first: dict[Hashable, str] = {}
    for name, source in sources.items():
        key = ".".join(header.spec.key_of(name))
        earlier = first.setdefault(source, key)
        if earlier != key and name not in ("twins", "documents"):
            told = f"{shown(header.spec.files[name])} is {earlier} already; a row lies in one set"
            faults.append(f"{_place(header, name)}: {told}")


def _place(header: Header, name: str) -> str:
    where = header.spec.key_of(name)
    return f"{header.place(*where, 'file')}: {'.'.join(where)}"


def _wanted(spec: TaskFile) -> set[str]:
    return {need.column for need in needs(spec)}
