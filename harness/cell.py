"""One cell in a process of its own: choose settings by trials where asked → open → adapt → answer."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NoReturn

from harness.channel import Channel, Muted
from harness.checks import InvalidAnswers, checked
from harness.contracts import Answerer, Backend, Remembers, Session, Settles, Step
from harness.errors import HarnessError
from harness.held import kept, known
from harness.keys import folder_hash
from harness.later import resolve
from harness.meter import Meter
from harness.remote.orders import Pending, StillWaiting
from harness.remote.purse import Purse
from harness.remote.redaction import Redactor
from harness.remote.sessions import Replays, Tells
from harness.search import Space, search
from harness.training import judged
from harness.types import Answers, Artifact, Epoch, Example, Kind, Material, ModelCard, Question, Usage

TIMED = "test"
"""The set whose answering is told as time: nothing that earlier questions made known may help there."""
LATENCY_WARM_UP = 5
LATENCY_QUESTIONS = 40
MODEL_FOLDER = "model"


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
    trials: int = 0
    space: Space = field(default_factory=dict)
    """What they search; empty: there are none."""
    held: list[str] = field(default_factory=list)
    """Texts to read before and after training, by the verb `held_by`."""
    held_by: str = ""
    spending: dict[str, Any] | None = None
    """Of a cell that asks a service: the purse's `file`, `rates` and `most_usd`."""
    secrets: list[str] = field(default_factory=list)
    """Environment variables whose values are never kept."""
    plugins: dict[str, str] = field(default_factory=dict)
    """`step NAME` or `backend NAME` -> "module:function" that loads it."""


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

    def wait(self, pending: Pending) -> NoReturn:
        raise StillWaiting(pending)


class Cell:
    def __init__(self, job: Job, channel: Channel, meter: Meter) -> None:
        self.job, self.channel, self.meter = job, channel, meter
        self.root = Path(job.store)
        self.seed = job.seed if job.seed is not None else 0
        self.session: Session | None = None
        self.purse: Purse | None = None

    def run(self) -> None:
        try:
            self._run()
        finally:
            if self.session is not None:
                self.session.close()
        if isinstance(self.session, Tells):
            self.channel.tell(log=dict(self.session.told()))

    def _run(self) -> None:
        material = self._material()
        if self.job.space:
            self._choose(material)
        with self._phase("load"):
            self.session = self._open()
        before = self._held()
        with self._phase("adapt"):
            answer = self._adapt(material)
        if before is not None:
            told = {"by": self.job.held_by, "per_text": kept(before, self._held(), self.job.held_by)}
            self.channel.tell(log={"held": told})
        if self.job.keep and self.session is not None:
            with self._phase("save"):
                self._save(Path(self.job.keep))
        self._latency(answer)
        for name in self.job.ask:
            self._ask(name, answer)

    def _choose(self, material: Material) -> None:
        """Go on with the settings that trials find best, or found when a kept adaptation was made."""
        found = self.job.recalled.get("trials")
        if found is None:
            found = search(self.job.space, self.job.settings, self.job.trials, self.seed, Trials(self, material))
            self.channel.tell(log={"trials": found})
        self.job = replace(self.job, settings={**self.job.settings, **found["chosen"]})

    def validated(self, material: Material) -> tuple[float, float]:
        """Accuracy and cross-entropy in nats on the validation questions, once adapted."""
        self.session = self._open()
        questions = [example.question for example in material.validation]
        answers = checked(questions, self._adapt(material)(questions))
        return judged(answers, [example.target for example in material.validation])

    def _held(self) -> Any:
        """What is known of the held texts; None where they are not asked, or this adaptation was made before."""
        if not self.job.held or self.session is None or self.job.artifact:
            return None
        with self._phase("held"):
            return known(self.session, self.job.held, self.job.held_by)

    def _phase(self, name: str) -> Any:
        self.channel.tell(phase=name)
        return self.meter.phase(name, self.counts)

    def counts(self) -> Usage:
        return Usage() if self.session is None else self.session.usage()

    def _material(self) -> Material:
        from harness.codec import decode_documents, decode_rows
        from harness.types import examples

        def read(name: str) -> tuple[Example, ...]:
            found = self.job.sets.get(name)
            return () if found is None else examples(decode_rows(name, "", parts_of(self.root, found["parts"])).rows)

        return Material(
            kind=Kind(self.job.kind),
            labels=tuple(self.job.labels),
            train=read("train"),
            validation=read("validation"),
            documents=decode_documents(parts_of(self.root, self.job.documents)),
        )

    def _open(self) -> Session | None:
        if self.job.backend is None or self.job.model is None:
            return None
        backend: Backend = resolve(self.job.plugins[f"backend {self.job.backend}"])()
        artifact = Path(self.job.artifact) / MODEL_FOLDER if self.job.artifact and self.job.weights else None
        self.purse = self.opened_purse()
        more: dict[str, Any] = {} if self.purse is None else {"purse": self.purse}
        return backend.open(
            ModelCard(**self.job.model),
            kind=Kind(self.job.kind),
            labels=self.job.labels,
            seed=self.seed,
            artifact=artifact,
            **more,
        )

    def opened_purse(self) -> Purse | None:
        """One for the whole cell: its file has one writer."""
        found = self.job.spending
        if found is None or self.purse is not None:
            return self.purse
        return Purse(Path(found["file"]), found["rates"], found["most_usd"], Redactor(self.job.secrets))

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
            questions = [row.question for row in decoded_rows(*parts_of(self.root, [part]))]
            with self.meter.phase(f"predict {name}", self.counts):
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

        first = decoded_rows(*parts_of(self.root, self.job.sets[TIMED]["parts"][:1]))
        questions = [row.question for row in first[: LATENCY_WARM_UP + LATENCY_QUESTIONS]]
        seconds = []
        self._forget()
        self._replayed()
        with self._phase("latency"):
            for question in questions:
                began = time.perf_counter()
                answer([question])
                seconds.append(time.perf_counter() - began + self._replayed())
        self.channel.tell(log={"latency_s": seconds[LATENCY_WARM_UP:] or seconds})

    def _replayed(self) -> float:
        return self.session.replayed_s() if isinstance(self.session, Replays) else 0.0


class Trials:
    """A cell adapted by other settings, and how well it then answers the validation questions."""

    def __init__(self, cell: Cell, material: Material) -> None:
        self.cell, self.material = cell, material

    def __call__(self, number: int, settings: Mapping[str, Any]) -> tuple[float, float]:
        cell = self.cell
        job = replace(cell.job, settings={**cell.job.settings, **settings}, keep=None, held=[])
        tried = Cell(job, Muted(cell.channel.end, cell.channel.redact), cell.meter)
        tried.purse = cell.purse = cell.opened_purse()
        cell.channel.tell(phase=f"trial {number} of {job.trials}")
        with cell.meter.phase("trials", tried.counts):
            try:
                return tried.validated(self.material)
            finally:
                if tried.session is not None:
                    tried.session.close()


def _cannot_answer(questions: Sequence[Question]) -> Answers:
    raise InvalidAnswers("no step answers: this strategy needs a model or a step that replaces the answerer")


def parts_of(root: Path, names: Sequence[str]) -> list[bytes]:
    from harness.store import read_parts

    found = read_parts(root, names)
    if found is None:
        raise HarnessError(
            "a part of the task's questions or documents is damaged in the store; run the same command again"
        )
    return found
