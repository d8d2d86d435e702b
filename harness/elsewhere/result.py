"""What comes back from a hired machine: data of somebody else's, believed as far as it can be checked here."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.cell import parts_of
from harness.checks import InvalidAnswers, checked
from harness.codec import decoded_rows, read_answers
from harness.elsewhere.archive import unpacked
from harness.elsewhere.bundle import KEPT, PARTS
from harness.errors import HarnessError
from harness.keys import folder_hash
from harness.safetext import one_line
from harness.types import Epoch, Usage

FORMAT = "harness.result/1"
ABOUT, MESSAGES, LOG = "about.json", "messages.jsonl", "log.txt"
RESULT_BYTES = 2**32
LOG_BYTES = 2**20
Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Message(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Phase(_Message):
    phase: Annotated[str, Field(max_length=200)]


class _Epoch(_Message):
    epoch: Epoch


class _Log(_Message):
    log: dict[str, Any]


class _Answers(_Message):
    answers: str
    fingerprint: str
    parts: list[Hash]
    n: int


class _Artifact(_Message):
    class Saved(_Message):
        folder: str
        sha256: Hash
        bytes: int

    artifact: Saved


class _End(_Message):
    end: Literal["done", "failed", "invalid", "timeout", "oom", "crashed"]
    reason: Annotated[str, Field(max_length=2000)] | None
    usage: dict[str, Usage]


class _About(BaseModel):
    class Environment(BaseModel):
        python: str
        gpus: list[str]
        cores: int | None
        versions: dict[str, str]

    format: str
    work: str
    environment: Environment


_HEARD: Mapping[str, type[_Message]] = {
    "phase": _Phase,
    "epoch": _Epoch,
    "log": _Log,
    "answers": _Answers,
    "artifact": _Artifact,
    "end": _End,
}


@dataclass(frozen=True, slots=True)
class Result:
    messages: tuple[Mapping[str, Any], ...]
    """As a worker tells them; the last one is the end."""
    parts: Mapping[str, bytes]
    kept: Mapping[str, bytes]
    """The saved adaptation's files, by their names in its folder."""
    log: bytes
    environment: Mapping[str, Any]


def read_result(content: bytes, job: Mapping[str, Any], work: str) -> Result:
    """Checked against the job and its questions; raises `HarnessError` in one line for what is no result of it."""
    files = unpacked(content, (ABOUT, MESSAGES, LOG, PARTS, KEPT), RESULT_BYTES)
    try:
        about = _About.model_validate(_json(files.get(ABOUT, b"")))
        lines = files.get(MESSAGES, b"").splitlines()
        messages = tuple(map(_heard, lines))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise HarnessError(f"it tells what no cell tells: {one_line(where)[:80]}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise HarnessError(f"it tells what cannot be read: {one_line(str(error))[:80]}") from None
    if about.format != FORMAT or about.work != work:
        raise HarnessError("it is of another cell, or of a harness that tells its results otherwise")
    ends = ["end" in message for message in messages]
    if ends != [False] * (len(ends) - 1) + [True]:
        raise HarnessError("it has no end, or goes on behind it")
    parts = {name[len(PARTS) :].removesuffix(".arrow"): data for name, data in files.items() if name.startswith(PARTS)}
    kept = {name[len(KEPT) :]: data for name, data in files.items() if name.startswith(KEPT)}
    _check_answers([message for message in messages if "answers" in message], parts, job, messages[-1]["end"])
    if kept and job["keep"] is None:
        raise HarnessError("it has a saved adaptation, and none was asked for")
    return Result(messages, parts, kept, files.get(LOG, b"")[:LOG_BYTES], about.environment.model_dump())


def _heard(line: bytes) -> dict[str, Any]:
    found = _json(line)
    model = next((_HEARD[name] for name in found if name in _HEARD), None) if isinstance(found, dict) else None
    if model is None:
        raise ValueError(f"no message begins {line[:40]!r}")
    return model.model_validate_json(line, strict=True).model_dump()


def _json(text: bytes) -> Any:
    return json.loads(text, parse_constant=_no_number, parse_float=_finite)


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no number")


def _finite(text: str) -> float:
    return float(text) if math.isfinite(float(text)) else _no_number(text[:20])


def _check_answers(told: list[Mapping[str, Any]], parts: Mapping[str, bytes], job: Mapping[str, Any], end: str) -> None:
    """Every set that was asked is answered once, question by question, where the cell says that it is done."""
    names = [message["answers"] for message in told]
    if (end == "done" and sorted(names) != sorted(job["ask"])) or not set(names) <= set(job["ask"]):
        raise HarnessError("it does not answer what was asked")
    for name, content in parts.items():
        if hashlib.sha256(content).hexdigest() != name:
            raise HarnessError(f"part {one_line(name)[:12]!r} is not what its name says")
    for message in told:
        asked = job["sets"][message["answers"]]
        if message["fingerprint"] != asked["fingerprint"] or len(message["parts"]) != len(asked["parts"]):
            raise HarnessError(f"its answers to {message['answers']!r} are to other questions")
        answered = 0
        for own, name in zip(asked["parts"], message["parts"], strict=True):
            questions = [row.question for row in decoded_rows(*parts_of(Path(job["store"]), [own]))]
            try:
                checked(questions, read_answers(parts[name]))
            except (KeyError, ValueError, InvalidAnswers) as error:
                told_why = one_line(str(error))[:120]
                raise HarnessError(f"its answers to {message['answers']!r} cannot be read: {told_why}") from None
            answered += len(questions)
        if answered != message["n"]:
            raise HarnessError(f"it counts {message['n']} answers to {message['answers']!r}, which are {answered}")


def keep(result: Result, message: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Put the saved adaptation where it is kept; raises `HarnessError` where it is not what was told of it."""
    for name, data in result.kept.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    digest, size = folder_hash(folder)
    if digest != message["artifact"]["sha256"]:
        raise HarnessError("its saved adaptation is not what was told of it")
    return {"folder": str(folder), "sha256": digest, "bytes": size}
