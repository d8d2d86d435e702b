"""The text of a `task.toml` -> a checked `TaskFile` that still knows on which line each key stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from harness.errors import TaskFileError, unknown
from harness.kinds import KINDS, shown, what
from harness.taskfile.faults import refuse
from harness.taskfile.files import SEPARATED, SUFFIXES
from harness.taskfile.lines import Lines, key_lines, line_of
from harness.taskfile.schema import OTHER, BiasSection, DataSection, ExtraTest, FieldsSection, TaskFile

RESERVED = ("train", "validation", "test", "twins", "within_twins", "documents", "train_sample", "validation_sample")
"""Names of sets that the harness makes or stores itself."""

_EXTRA_NAME = re.compile(r"[a-z0-9_]+")
_SECTIONS: dict[str, type[BaseModel]] = {"data": DataSection, "fields": FieldsSection, "bias": BiasSection}


@dataclass(frozen=True, slots=True)
class Header:
    file: str
    spec: TaskFile
    lines: Lines

    def place(self, *where: str) -> str:
        return f"{self.file}:{line_of(self.lines, where)}"


def read_header(path: Path) -> Header:
    """Raises `TaskFileError` if the file is no TOML or does not fit the schema."""
    name = path.name
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TaskFileError([f"{path}: {error.strerror or error}"]) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise TaskFileError([f"{name}:{line}: not UTF-8 (byte {error.start}); save the file as UTF-8"]) from None
    try:
        raw = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        refuse([_toml_fault(name, text, error)])
        raise
    lines = key_lines(text)
    try:
        return Header(name, TaskFile.model_validate(raw), lines)
    except ValidationError as error:
        refuse([f"{name}:{line_of(lines, where)}: {told}" for where, told in _schema_faults(error, raw)])
        raise


def contradictions(spec: TaskFile) -> Iterator[tuple[Sequence[str], str]]:
    """What the schema cannot say: keys that need or exclude one another -> (key, fault)."""
    kind, fields, bias = KINDS[spec.kind], spec.fields, spec.bias
    if kind.has_labels:
        if fields.choices is not None:
            yield ("fields", "choices"), f"fields.choices: kind '{spec.kind}' has labels, not choices; leave it out"
    else:
        if fields.choices is None:
            yield ("fields",), f"kind '{spec.kind}' needs fields.choices"
        elif not isinstance(fields.choices, str) and len(fields.choices) < 2:
            yield ("fields", "choices"), "fields.choices must name at least two columns, or one without brackets"
        if spec.labels:
            yield ("labels",), f"[labels]: kind '{spec.kind}' has choices, not labels; leave it out"
        if bias.positive is not None:
            yield ("bias", "positive"), f"bias.positive is one of the labels, which kind '{spec.kind}' has not"
    for key, names in {"question": fields.question, "choices": fields.choices, "columns": fields.columns}.items():
        if isinstance(names, list) and len(set(names)) < len(names):
            repeated = next(name for name in names if names.count(name) > 1)
            yield ("fields", key), f"fields.{key} names {shown(repeated)} twice"
    if spec.data.hf is not None:
        for name, split in spec.files.items():
            if split.endswith(SUFFIXES):
                where = spec.key_of(name)
                yield where, f"{'.'.join(where)}: {shown(split)} is a file; beside data.hf, name a split of the dataset"
    else:
        for option in ("config", "revision"):
            if getattr(spec.data, option) is not None:
                yield ("data", option), f"data.{option} needs data.hf"
    rows_in = [file for name, file in spec.files.items() if name != "documents"]
    if fields.columns and not any(file.endswith(SEPARATED) for file in rows_in):
        yield ("fields", "columns"), "fields.columns is for CSV and TSV, which no question set is; leave it out"
    if bias.twins and spec.data.twins is None:
        yield ("bias", "twins"), "bias.twins needs data.twins"
    if spec.data.twins and bias.twins is None:
        yield ("data", "twins"), "data.twins needs bias.twins, the column that the twins of one question share"
    if fields.evidence and spec.data.documents is None:
        yield ("fields", "evidence"), "fields.evidence needs data.documents"
    for name in spec.data.extra_tests:
        key = f"data.extra_tests.{name}"
        if name in RESERVED:
            yield spec.key_of(name), f"{key}: the harness has a set of this name; choose another"
        elif not _EXTRA_NAME.fullmatch(name):
            yield (
                spec.key_of(name),
                f"data.extra_tests: {shown(name)} must be of lower-case letters, digits and underscores",
            )


def _toml_fault(name: str, text: str, error: Exception) -> str:
    lines = text.split("\n")
    longest = max(range(len(lines)), key=lambda number: len(lines[number])) + 1
    if isinstance(error, RecursionError):
        return f"{name}:{longest}: not TOML: nested too deeply"
    if not isinstance(error, tomllib.TOMLDecodeError):  # int() refuses to read thousands of digits
        return f"{name}:{longest}: not TOML: a number of more than 4,300 digits"
    message = str(error)
    if found := re.search(r" \(at line (\d+), column (\d+)\)$", message):
        return f"{name}:{found[1]}: not TOML: {message[: found.start()]} (column {found[2]})"
    return f"{name}:{len(lines)}: not TOML: {message}"


def _schema_faults(error: ValidationError, raw: dict[str, Any]) -> Iterator[tuple[tuple[str, ...], str]]:
    """Pydantic's findings in our words: (key, fault), one per key."""
    told: set[tuple[str, ...]] = set()
    for fault in error.errors(include_url=False):
        where, value, in_list, branched = _locate(fault["loc"], fault["type"], raw)
        if where in told:
            continue
        told.add(where)
        yield where, _wording(fault, where, value, in_list, branched)


def _locate(loc: tuple[int | str, ...], type_: str, raw: dict[str, Any]) -> tuple[tuple[str, ...], Any, bool, bool]:
    """The key of a finding, its value, whether that is an item of a list, and whether text was possible too.

    Pydantic's path names the branch of a union as well, which is no key.
    """
    where: list[str] = []
    value: Any = raw
    in_list = branched = False
    for number, part in enumerate(loc):
        if isinstance(part, int):
            value, in_list = value[part], True
        elif isinstance(value, dict) and part in value:
            value, branched = value[part], False
            where.append(part)
        elif number == len(loc) - 1 and type_ == "missing":
            where.append(part)
        else:
            branched = part == OTHER
    return tuple(where), value, in_list, branched


_EXPECTED = {
    "string_type": "text",
    "list_type": "a list of texts",
    "dict_type": "a table",
    "model_type": "a table",
}


def _wording(fault: Any, where: tuple[str, ...], value: Any, in_list: bool, branched: bool) -> str:
    key, type_ = ".".join(where), fault["type"]
    got = "a table" if isinstance(value, dict) else what(value)
    if type_ == "extra_forbidden":
        section = f"{'.'.join(where[:-1])}: " if len(where) > 1 else ""
        return section + unknown("key", where[-1], _known(where))
    if type_ == "missing":
        return f"{key} is missing"
    if type_ == "value_error":
        return str(fault["ctx"]["error"])
    if type_ == "string_pattern_mismatch":
        return f"{key} {shown(value)} must be of lower-case letters, digits and hyphens, at most 64, such as 'my-task'"
    if type_ in ("string_too_short", "too_short"):
        return f"{key} holds an empty name" if in_list else f"{key} must not be empty"
    if type_ in _EXPECTED:
        expected = ("text or " if branched and not in_list else "") + _EXPECTED[type_]
        return f"{key} must hold texts only, got {got}" if in_list else f"{key} must be {expected}, got {got}"
    return f"{key}: {fault['msg']}"


def _known(where: tuple[str, ...]) -> Sequence[str]:
    """The keys of the table in which a key stands."""
    if where[:2] == ("data", "extra_tests"):
        return [*ExtraTest.model_fields]
    section = _SECTIONS.get(where[0]) if len(where) > 1 else None
    return [*(section or TaskFile).model_fields]
