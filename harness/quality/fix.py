"""A cleaned copy of a task: without empty questions, exact duplicates in a set, and training rows that are tested.

What belongs together stays whole: all rows of a `together` value go or stay, and all twins of one question. Of a test
set nothing is dropped for a leak: the training side goes. Twins repeat their questions on purpose, so no duplicate of
theirs is dropped either.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import TaskFileError, UsageError
from harness.kinds import shown
from harness.quality.findings import TRAINED, counted
from harness.quality.same import TWINS, identity
from harness.quality.texts import is_empty
from harness.quality.without import copy_without
from harness.taskfile import load_task, read_rows
from harness.taskfile.header import read_header
from harness.taskfile.loader import SetRows
from harness.taskfile.schema import TaskFile
from harness.types import Kind

LOG = "dropped.jsonl"
EMPTY, LEAK, DUPLICATE, TOGETHER = "empty", "is tested", "duplicate in its set", "belongs with a dropped row"


@dataclass(frozen=True, slots=True)
class Dropped:
    set: str
    file: str
    line: int
    """Of the file; of Parquet, the row from 1 on."""
    id: str
    reason: str
    like: str | None
    """The row that it repeats, is tested as, or belongs with."""


@dataclass(frozen=True, slots=True)
class _Held:
    number: int
    id: str
    unit: Hashable
    """What goes or stays whole."""
    key: Hashable | None
    """Of what is asked; None where nothing is."""
    answer: str = ""


def write_clean_copy(path: Path, data: Path | None, folder: Path) -> list[Dropped]:
    """Write the task at `path` to `folder`, which must not exist; rows that stay are the same bytes.

    Raises `UsageError` where that cannot be done; then nothing is left behind.
    """
    if folder.exists():
        raise UsageError(f"--fix {shown(str(folder))} exists already; name a folder that does not")
    spec = read_header(path).spec
    if spec.data.hf is not None:
        raise UsageError(
            f"--fix copies data files, but {shown(spec.name)} reads the dataset {shown(spec.data.hf)}; "
            "save its splits as JSONL and name those under [data]"
        )
    if LOG in spec.files.values():
        raise UsageError(f"--fix writes {LOG}, but a set of {shown(spec.name)} is the file of that name; rename it")
    spec, sets = read_rows(path, data)
    dropped = list(_dropped(spec, sets))
    made = folder.parent / f".{folder.name}.{uuid.uuid4().hex[:8]}"
    try:
        made.mkdir(parents=True)
        _write(made, path, data or path.parent, spec, sets, dropped)
        load_task(made / "task.toml")
        made.rename(folder)
    except TaskFileError as error:
        rows = counted(len(dropped), "row")
        raise UsageError(f"--fix: without the {rows} to drop the task would not load: {error}") from None
    except OSError as error:
        raise UsageError(f"--fix {shown(str(folder))}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return dropped


def _write(
    made: Path, path: Path, root: Path, spec: TaskFile, sets: Mapping[str, SetRows], dropped: Sequence[Dropped]
) -> None:
    shutil.copyfile(path, made / "task.toml")
    for file in dict.fromkeys(spec.files.values()):
        starts = {number for name, held in sets.items() if spec.files[name] == file for number in _numbers(held)}
        target = made / file
        target.parent.mkdir(parents=True, exist_ok=True)
        copy_without(root / file, target, starts, {each.line for each in dropped if each.file == file})
    with (made / LOG).open("w", encoding="utf-8") as log:
        log.writelines(json.dumps(asdict(each), ensure_ascii=False) + "\n" for each in dropped)


def _numbers(held: SetRows) -> Iterator[int]:
    yield from (each.number for each in held.rows)
    yield from (each.number for each in held.blank)


def _dropped(spec: TaskFile, sets: Mapping[str, SetRows]) -> Iterator[Dropped]:
    kind, files = Kind(spec.kind), spec.files
    held = {name: list(_held(kind, found)) for name, found in sets.items()}
    tested: dict[Hashable, str] = {}
    for name, rows in held.items():
        if name not in TRAINED:
            for each in rows:
                tested.setdefault(each.key, each.id)
    for name, rows in held.items():
        # What also is the twins' or the documents' file must keep what those need.
        shared = name == TWINS or files[name] in (files.get(TWINS), files.get("documents"))
        leaks = tested if name in TRAINED and not shared else {}
        for each, reason, like in _reasons(rows, leaks, not shared):
            yield Dropped(name, files[name], each.number, each.id, reason, like)


def _held(kind: Kind, found: SetRows) -> Iterator[_Held]:
    rows = []
    for each in found.rows:
        row = each.row
        unit = _unit(each.number, each.together, row.twin)
        key = None if is_empty(row.question.text) else identity(kind, row)
        rows.append(_Held(each.number, row.question.id, unit, key, row.question.choices[row.gold]))
    rows += [
        _Held(blank.number, blank.id, _unit(blank.number, blank.together, blank.twin), None) for blank in found.blank
    ]
    return iter(sorted(rows, key=lambda each: each.number))


def _unit(number: int, together: str | None, twin: str | None) -> Hashable:
    return ("twin", twin) if twin is not None else ("row", number) if together is None else ("together", together)


def _reasons(
    rows: Sequence[_Held], leaks: Mapping[Hashable, str], once: bool
) -> Iterator[tuple[_Held, str, str | None]]:
    """What of a set goes and why, unit by unit; a unit is held against those before it that stay."""
    units: dict[Hashable, list[_Held]] = defaultdict(list)
    for each in rows:
        units[each.unit].append(each)
    kept: dict[tuple[Hashable, str], str] = {}
    for unit in units.values():
        own: dict[tuple[Hashable, str], str] = {}
        found: dict[int, tuple[str, str | None]] = {}
        for each in unit:
            asked = each.key, each.answer
            earlier = kept.get(asked) or own.get(asked)
            if each.key is None:
                found[each.number] = EMPTY, None
            elif each.key in leaks:
                found[each.number] = LEAK, leaks[each.key]
            elif once and earlier is not None:
                found[each.number] = DUPLICATE, earlier
            own.setdefault(asked, each.id)
        if found:
            first = next(each.id for each in unit if each.number in found)
            yield from ((each, *found.get(each.number, (TOGETHER, first))) for each in unit)
        else:
            kept.update(own)
