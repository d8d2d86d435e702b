"""`harness.json`: what a store must know of an adaptation to ask it again, beside its files.

What is read is of somebody else: known fields, plain names of files, bounded sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from harness.cell import MODEL_FOLDER
from harness.errors import HarnessError
from harness.keys import canonical
from harness.safetext import one_line
from harness.session import ADAPTATION_FILE
from harness.types import Epoch, Usage

FILE, CARD_FILE = "harness.json", "README.md"
ADAPTATION = f"{MODEL_FOLDER}/{ADAPTATION_FILE}"
FORMAT: Literal["harness.shared/1"] = "harness.shared/1"
PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*/[A-Za-z0-9_-][A-Za-z0-9_.-]*\.(safetensors|npz)")
MANIFEST_BYTES = 2**26
MOST_FILES = 1000
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Word = Annotated[str, Field(max_length=400)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Entry(_Strict):
    sha256: Hash
    bytes: Annotated[int, Field(ge=0, le=2**40)]


class Machine(_Strict):
    """Of a hired one, what its figures mean; not its job, nor whose endpoint it was."""

    machines: Word
    flavor: Word
    gpu: Word | None
    cores: int | None
    emulated: bool
    seconds: float | None
    usd: float | None


class Manifest(_Strict):
    format: Literal["harness.shared/1"]
    version: Word
    """Of the harness that wrote it."""
    key: Hash
    """Of the adaptation: the same wherever the same was trained."""
    sha256: Hash
    """Over its files (`keys.folder_hash`)."""
    files: dict[str, Entry]
    log: dict[str, Any]
    """What its steps recorded and find again."""
    usage: dict[str, Usage]
    """Of making it, by phase, and `total`."""
    epochs: list[Epoch]
    contended: bool
    machine: Machine | None
    """The hired one that it was made on."""

    @field_validator("files")
    @classmethod
    def _plain(cls, files: dict[str, Entry]) -> dict[str, Entry]:
        if not files or len(files) > MOST_FILES:
            raise ValueError(f"it names {len(files)} files")
        for name in files:
            if not is_plain(name):
                raise ValueError(f"it names a file {one_line(name)[:80]!r}")
        return files

    @field_validator("log")
    @classmethod
    def _storable(cls, log: dict[str, Any]) -> dict[str, Any]:
        canonical(log)  # which takes no number that is none
        return log

    @field_validator("usage")
    @classmethod
    def _summed(cls, usage: dict[str, Usage]) -> dict[str, Usage]:
        if "total" not in usage:
            raise ValueError("it has no total")
        return usage


def is_plain(name: str) -> bool:
    """In the folder of a step or of the model, with an ending that holds numbers alone."""
    return name == ADAPTATION or (PLAIN.fullmatch(name) is not None and len(name) < 200)


def written(told: Mapping[str, Any]) -> bytes:
    """The same bytes whenever it is the same."""
    return canonical(told) + b"\n"


def read(content: bytes) -> Manifest:
    """Raises `HarnessError` in one line for what is no manifest."""
    try:
        return Manifest.model_validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = one_line(".".join(map(str, first["loc"])))[:80]
        raise HarnessError(f"{FILE} is no {FORMAT}: {where}: {one_line(first['msg'])[:160]}") from None
    except RecursionError:
        raise HarnessError(f"{FILE} is no {FORMAT}: nested too deeply") from None
