"""What is sent to a hired machine: a cell's job with all that it reads, and what must be the same there.

Of questions that are asked, the questions alone: no answer, group or evidence leaves with them.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Iterable, Iterator, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.cell import parts_of
from harness.codec import decoded_rows, encode_rows
from harness.elsewhere.archive import packed
from harness.errors import HarnessError
from harness.keys import canonical, digest, folder_hash
from harness.models import FILES
from harness.registry import package_hash
from harness.shaping import core_hash
from harness.types import Row

FORMAT = "harness.bundle/1"
DISTRIBUTION = "adapt-harness"
JOB = "job.json"
PARTS, ASSETS, KEPT, MODEL = "parts/", "assets/", "kept/", "model/"
MODEL_BYTES = 2**30
LEARNT = ("train", "validation")
"""Sets of which a cell sees the answers."""
STAYS = ("id", "store", "log", "keep", "spending", "secrets", "elsewhere")
"""Of a job, what is of this machine alone."""


def work(job: Mapping[str, Any]) -> str:
    """Which work it is, as a hash: of the job without where its files lie, and of the machine that is to do it."""
    there = {name: value for name, value in job.items() if name not in (*STAYS, "assets", "artifact", "recalled")}
    where = job["elsewhere"]
    there["machine"] = [where[name] for name in ("machines", "flavor", "limit_s")]
    there["keep"] = job["keep"] is not None
    there["assets"] = {name: Path(found["folder"]).name for name, found in job["assets"].items()}
    there["artifact"] = folder_hash(Path(job["artifact"]))[0] if job["artifact"] else None
    return digest(there)


def bundle(job: Mapping[str, Any]) -> bytes:
    """All of it as a tar.gz; raises `HarnessError` where something that it needs is not there any more."""
    root = Path(job["store"])
    parts: dict[str, bytes] = {}
    sent = {name: value for name, value in job.items() if name not in STAYS}
    sent["sets"] = {
        name: {**found, "parts": _sent(root, found["parts"], parts, whole=name in LEARNT)}
        for name, found in job["sets"].items()
        if name in (*LEARNT, *job["ask"])
    }
    sent["documents"] = _sent(root, job["documents"], parts, whole=True)
    sent["assets"] = {name: {"open": found["open"]} for name, found in job["assets"].items()}
    sent["artifact"] = job["artifact"] is not None
    sent["keep"] = job["keep"] is not None
    where, card = job["elsewhere"], job["model"]
    model = dict(model_files(Path(card["id"]))) if card else {}
    told = {
        "format": FORMAT,
        "version": metadata.version(DISTRIBUTION),
        "work": work(job),
        "sources": sources(job),
        "device": where["device"],
        "preload": where["preload"],
        "limit_s": where["limit_s"],
        "model": bool(model),
        "job": sent,
    }
    files: list[tuple[str, bytes | Path]] = [(JOB, canonical(told))]
    files += [(f"{PARTS}{name}.arrow", content) for name, content in parts.items()]
    for name, found in job["assets"].items():
        files += _folder(f"{ASSETS}{name}/", Path(found["folder"]))
    files += _folder(KEPT, Path(job["artifact"])) if job["artifact"] else []
    files += [(f"{MODEL}{name}", file) for file, name in model.items()]
    return packed(files)


def sources(job: Mapping[str, Any]) -> dict[str, str]:
    """Package -> hash of its source: of all that the cell loads, and of what of the core shapes answers."""
    loaded = [*job["plugins"].values(), *(found["open"] for found in job["assets"].values())]
    tops = sorted({load.partition(":")[0].split(".")[0] for load in loaded} - {"harness"})
    return {"harness": core_hash(), **{top: package_hash(importlib.import_module(top)) for top in tops}}


def model_files(folder: Path) -> Iterator[tuple[Path, str]]:
    """Of a model that is named by its folder, the files that any backend reads, and their names in it."""
    try:
        is_folder = folder.expanduser().is_dir()
    except OSError:
        is_folder = False
    if is_folder:
        for file in sorted({file for pattern in FILES for file in folder.expanduser().glob(pattern)}):
            if file.is_file():
                yield file, file.relative_to(folder.expanduser()).as_posix()


def _folder(prefix: str, folder: Path) -> Iterable[tuple[str, Path]]:
    found = sorted(path for path in folder.rglob("*") if path.is_file())
    return [(prefix + file.relative_to(folder).as_posix(), file) for file in found]


def _sent(root: Path, names: Iterable[str], parts: dict[str, bytes], *, whole: bool) -> list[str]:
    """The names of parts as they are sent; their bytes are put into `parts`."""
    sent = []
    for name, content in zip(names, parts_of(root, list(names)), strict=True):
        found = (name, content) if whole else _questions(content)
        parts[found[0]] = found[1]
        sent.append(found[0])
    return sent


def _questions(part: bytes) -> tuple[str, bytes]:
    content = encode_rows([Row(row.question, 0, "") for row in decoded_rows(part)])
    return hashlib.sha256(content).hexdigest(), content


def read_job(content: bytes) -> dict[str, Any]:
    """What a bundle's `job.json` says; raises `HarnessError` for another format."""
    try:
        told = json.loads(content)
        if told["format"] == FORMAT:
            return dict(told)
        problem = f"it is a {told['format']!r}"
    except (ValueError, KeyError, TypeError) as error:
        problem = type(error).__name__
    raise HarnessError(f"this is no {FORMAT}: {problem}")
