"""Content keys: the same content gives the same key on every machine, any change gives another.

Two keys, not one. An adaptation is keyed by what trained it; answers by adaptation × question set.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
"""One for all: `json.dumps` would make one for every row of a task."""


def canonical(value: Any) -> bytes:
    """JSON with sorted keys, no spaces and no NaN: equal values give equal bytes."""
    return _ENCODER.encode(value).encode()


def digest(value: Any) -> str:
    """sha256 of the canonical JSON, as 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def digest_all(values: Iterable[Any]) -> str:
    """sha256 of a stream of values, one after another, without holding them all as text."""
    running = hashlib.sha256()
    for value in values:
        running.update(canonical(value) + b"\n")
    return running.hexdigest()


def answers_key(adaptation_key: str, set_fingerprint: str) -> str:
    return digest({"adaptation": adaptation_key, "questions": set_fingerprint})


def file_hash(file: Path) -> str:
    """sha256 of its bytes, as 64 hex digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def folder_hash(folder: Path) -> tuple[str, int]:
    """sha256 over the names and bytes of a folder's files, and their size in bytes."""
    digest, size = hashlib.sha256(), 0
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(file.relative_to(folder).as_posix().encode() + b"\0" + bytes.fromhex(file_hash(file)))
        size += file.stat().st_size
    return digest.hexdigest(), size


def source_hash(folder: Path, names: Iterable[str]) -> str:
    """sha256 over the names and bytes of files of one folder, in the order given."""
    running = hashlib.sha256()
    for name in names:
        running.update(name.encode() + b"\0" + (folder / name).read_bytes())
    return running.hexdigest()
