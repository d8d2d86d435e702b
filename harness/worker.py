"""One cell in a process of its own: open → adapt → answer; a job in, JSON messages and parts out.

Messages: ``{"phase": name}``, ``{"epoch": {...}}``, ``{"log": {name: value}}``, ``{"answers": set, "parts":
[sha256, ...], "n": rows}``, ``{"artifact": {...}}`` and one last ``{"end": status, "reason": ..., "usage": ...}``.
"""

from __future__ import annotations

import json
import math
import os
import socket
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from harness.checks import InvalidAnswers, checked
from harness.contracts import Answerer, AssetInput, Backend, Remembers, Session, Settles, Step
from harness.errors import HarnessError
from harness.keys import folder_hash
from harness.later import resolve
from harness.meter import Meter, total
from harness.types import (
    Answers,
    Artifact,
    Epoch,
    Example,
    Kind,
    Material,
    ModelCard,
    Question,
    Status,
    Usage,
)

TIMED = "test"
"""The set whose answering is told as time: nothing that earlier questions made known may help there."""
LATENCY_WARM_UP = 5
LATENCY_QUESTIONS = 40
MODEL_FOLDER = "model"
TOLD_CHARS = 400


@dataclass(frozen=True, slots=True)
class Job:
    """Everything a worker needs, as JSON."""

    store: str
    strategy: tuple[str, ...]
    """Step names in the order they apply."""
    backend: str | None
    model: dict[str, Any] | None
    seed: int | None
    settings: dict[str, Any]
    kind: str
    labels: list[str]
    sets: dict[str, dict[str, Any]]
    """Question set name -> {"parts": [...], "fingerprint": ...}; `train`, `validation` and what to ask."""
    ask: list[str]
    documents: list[str]
    assets: dict[str, dict[str, str]]
    """Asset name -> {"folder": ..., "open": "module:function"}."""
    weights: list[str] = field(default_factory=list)
    """The steps that tune: a kept adaptation is reopened without them."""
    artifact: str | None = None
    """Folder of a kept adaptation to reopen instead of training."""
    recalled: dict[str, Any] = field(default_factory=dict)
    """What its steps recorded when it was made."""
    keep: str | None = None
    """Folder to save the adaptation to."""
    plugins: dict[str, str] = field(default_factory=dict)
    """`step NAME` or `backend NAME` -> "module:function" that loads it."""


class Channel:
    """The worker's side of the pipe to the parent."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end

    def tell(self, **message: Any) -> None:
        self._end.sendall(json.dumps(message, allow_nan=False).encode() + b"\n")


@dataclass(slots=True)
class CellContext:
    """What a step may use beside the session (see `contracts.Context`)."""

    settings: Mapping[str, Any]
    seed: int
    channel: Channel
    assets: Mapping[str, dict[str, str]]
    recalled: Mapping[str, Any]
    kept: Path | None
    keep: Path | None
    _opened: dict[str, Any] = field(default_factory=dict)

    def asset(self, name: str) -> Any:
        if name not in self._opened:
            found = self.assets[name]
            self._opened[name] = resolve(found["open"])(Path(found["folder"]))
        return self._opened[name]

    def progress(self, epoch: Epoch) -> None:
        losses = [loss for loss in (epoch.train_loss, epoch.validation_loss) if loss is not None]
        if not all(map(math.isfinite, losses)):
            raise HarnessError(
                f"training diverged: the loss of epoch {epoch.epoch} is no number; lower the learning rate"
            )
        self.channel.tell(epoch=asdict(epoch))

    def record(self, name: str, value: Any) -> None:
        self.channel.tell(log={name: value})

    def recall(self, name: str) -> Any:
        return self.recalled.get(name)


def run(job: Mapping[str, Any], end: socket.socket) -> int:
    """Run one job to its typed end; returns the exit status."""
    channel = Channel(end)
    _log_to(Path(job["log"]))
    meter = Meter()
    try:
        if "asset" in job:
            _make_asset(job, channel, meter)
        else:
            _Cell(Job(**{k: v for k, v in job.items() if k not in ("id", "log")}), channel, meter).run()
        _end(channel, Status.DONE, None, meter)
        return 0
    except InvalidAnswers as error:
        _end(channel, Status.INVALID, str(error), meter)
    except MemoryError:
        _end(channel, Status.OOM, "out of memory", meter)
    except Exception as error:
        traceback.print_exc()
        oom = type(error).__name__ == "OutOfMemoryError"
        text = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        _end(channel, Status.OOM if oom else Status.FAILED, text, meter)
    return 1


def _end(channel: Channel, status: Status, reason: str | None, meter: Meter) -> None:
    usage = {name: asdict(used) for name, used in meter.phases.items()}
    usage["total"] = asdict(total(list(meter.phases.values())))
    line = None if reason is None else " ".join(reason.split())[:TOLD_CHARS]
    channel.tell(end=status, reason=line, usage=usage)


def _log_to(path: Path) -> None:
    """Whatever plugins and libraries print goes to the cell's log, never to the channel."""
    sys.stdout.flush()
    sys.stderr.flush()
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.dup2(log, 1)
    os.dup2(log, 2)


def _make_asset(job: Mapping[str, Any], channel: Channel, meter: Meter) -> None:
    asset = job["asset"]
    texts = _read_texts(Path(job["store"]), asset)
    resolve(asset["make"])(Path(asset["folder"]), texts, asset["settings"], meter.phase)


def _read_texts(root: Path, asset: Mapping[str, Any]) -> AssetInput:
    """An asset's makers see documents and question texts: no gold, no groups, and evidence only for a control."""
    from harness.codec import decode_documents, decode_rows

    texts: dict[str, tuple[str, ...]] = {}
    train: tuple[str, ...] = ()
    for name, found in asset["sets"].items():
        rows = decode_rows(name, found["fingerprint"], _parts(root, found["parts"])).rows
        if name == "train":
            train = tuple(row.question.text for row in rows)
        for row in rows:
            texts[row.question.text] = tuple(dict.fromkeys((*texts.get(row.question.text, ()), *row.evidence)))
    evidence = tuple(texts.values()) if asset["evidence"] else ()
    return AssetInput(decode_documents(_parts(root, asset["documents"])), tuple(texts), train, evidence)


def _parts(root: Path, names: Sequence[str]) -> list[bytes]:
    from harness.store import read_parts

    found = read_parts(root, names)
    if found is None:
        raise HarnessError(
            "a part of the task's questions or documents is damaged in the store; run the same command again"
        )
    return found


class _Cell:
    def __init__(self, job: Job, channel: Channel, meter: Meter) -> None:
        self.job, self.channel, self.meter = job, channel, meter
        self.root = Path(job.store)
        self.seed = job.seed if job.seed is not None else 0
        self.session: Session | None = None

    def run(self) -> None:
        material = self._material()
        with self._phase("load"):
            self.session = self._open()
        with self._phase("adapt"):
            answer = self._adapt(material)
        if self.job.keep and self.session is not None:
            with self._phase("save"):
                self._save(Path(self.job.keep))
        self._latency(answer)
        for name in self.job.ask:
            self._ask(name, answer)
        if self.session is not None:
            self.session.close()

    def _phase(self, name: str) -> Any:
        self.channel.tell(phase=name)
        return self.meter.phase(name, self._counts)

    def _counts(self) -> Usage:
        return Usage() if self.session is None else self.session.usage()

    def _material(self) -> Material:
        from harness.codec import decode_documents, decode_rows
        from harness.types import examples

        def read(name: str) -> tuple[Example, ...]:
            found = self.job.sets.get(name)
            return () if found is None else examples(decode_rows(name, "", _parts(self.root, found["parts"])).rows)

        return Material(
            kind=Kind(self.job.kind),
            labels=tuple(self.job.labels),
            train=read("train"),
            validation=read("validation"),
            documents=decode_documents(_parts(self.root, self.job.documents)),
        )

    def _open(self) -> Session | None:
        if self.job.backend is None or self.job.model is None:
            return None
        backend: Backend = resolve(self.job.plugins[f"backend {self.job.backend}"])()
        artifact = Path(self.job.artifact) / MODEL_FOLDER if self.job.artifact and self.job.weights else None
        return backend.open(
            ModelCard(**self.job.model),
            kind=Kind(self.job.kind),
            labels=self.job.labels,
            seed=self.seed,
            artifact=artifact,
        )

    def _adapt(self, material: Material) -> Answerer:
        answer: Answerer = _cannot_answer if self.session is None else self.session.answer
        applied: list[tuple[Step, CellContext]] = []
        for name in self.job.strategy:
            if self.job.artifact and name in self.job.weights:
                continue
            step: Step = resolve(self.job.plugins[f"step {name}"])()
            context = self._context(name)
            material, answer = step.apply(self.session, material, answer, context)
            applied.append((step, context))
        for step, context in applied:
            if isinstance(step, Settles):
                step.settle(self.session, context)
        return answer

    def _context(self, step: str) -> CellContext:
        own = {key.split(".", 1)[1]: value for key, value in self.job.settings.items() if key.split(".", 1)[0] == step}
        kept = Path(self.job.artifact) / step if self.job.artifact else None
        keep = Path(self.job.keep) / step if self.job.keep else None
        if keep is not None:
            keep.mkdir(parents=True, exist_ok=True)
        return CellContext(own, self.seed, self.channel, self.job.assets, self.job.recalled, kept, keep)

    def _save(self, folder: Path) -> None:
        """Tuned weights beside what the steps saved already; the whole is what `artifact` reopens."""
        assert self.session is not None
        if self.job.weights:
            self.session.save(folder / MODEL_FOLDER)
        digest, size = folder_hash(folder)
        self.channel.tell(artifact=asdict(Artifact(str(folder), digest, size)))

    def _ask(self, name: str, answer: Answerer) -> None:
        """Part by part: neither the questions nor the answers of a set are held whole."""
        from harness.codec import decoded_rows, encode_answers
        from harness.store import write_part

        found, names, asked = self.job.sets[name], [], 0
        if name == TIMED:
            self._forget()
        self.channel.tell(phase=f"predict {name}")
        for part in found["parts"]:
            questions = [row.question for row in decoded_rows(*_parts(self.root, [part]))]
            with self.meter.phase(f"predict {name}", self._counts):
                answers = answer(questions)
            names.append(write_part(self.root, encode_answers(checked(questions, answers))))
            asked += len(questions)
        self.channel.tell(answers=name, fingerprint=found["fingerprint"], parts=names, n=asked)

    def _forget(self) -> None:
        if isinstance(self.session, Remembers):
            self.session.forget()

    def _latency(self, answer: Answerer) -> None:
        """Seconds for one question at a time, after a few that warm up."""
        if TIMED not in self.job.ask:
            return
        from harness.codec import decoded_rows

        first = decoded_rows(*_parts(self.root, self.job.sets[TIMED]["parts"][:1]))
        questions = [row.question for row in first[: LATENCY_WARM_UP + LATENCY_QUESTIONS]]
        seconds = []
        self._forget()
        with self._phase("latency"):
            for question in questions:
                began = time.perf_counter()
                answer([question])
                seconds.append(time.perf_counter() - began)
        self.channel.tell(log={"latency_s": seconds[LATENCY_WARM_UP:] or seconds})


def _cannot_answer(questions: Sequence[Question]) -> Answers:
    raise InvalidAnswers("no step answers: this strategy needs a model or a step that replaces the answerer")
