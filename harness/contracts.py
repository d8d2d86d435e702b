"""What plugins implement: the seam between mechanism (backend) and policy (strategy), and light specs.

A strategy never names a backend and a backend never names a strategy; they meet at a `Session`. Every verb
of a session, for each kind of task, is a capability; a cell whose strategy needs what the backend does not
offer is planned as skipped, with the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Protocol, runtime_checkable

from harness.remote.orders import Pending
from harness.remote.service import Service
from harness.types import (
    Answers,
    Artifact,
    Document,
    Epoch,
    Example,
    Kind,
    Material,
    Measurement,
    ModelCard,
    Question,
    Recipe,
    Settings,
    TuneLog,
    Usage,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from harness.evidence import Evidence

    Vectors = npt.NDArray[np.float32]

API_VERSION = 1
"""Plugins may state the version they were written for as `HARNESS_API` in their package."""

AUTO = "auto"
"""A setting's value that leaves the choice to validation."""

Capability = str
"""`answer:choice`, `answer:classification`, `embed`, `score`, `tune:full:choice`, `tune:lora:choice`, ..."""


class Session(Protocol):
    """A model opened on one device for one cell; implement only what `BackendSpec.offers` lists."""

    def answer(self, questions: Sequence[Question]) -> Answers:
        """Score the choices of each question, reading its passages by its `reading` weight.

        Answers do not depend on the order or batching of the questions.
        """
        ...

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit-length sentence vectors, float32 [n, d]."""
        ...

    def score(self, texts: Sequence[str]) -> Vectors:
        """Log-likelihood of each text in nats, float32 [n]."""
        ...

    def tune(
        self,
        train: Sequence[Example],
        validation: Sequence[Example],
        recipe: Recipe,
        on_progress: Callable[[Epoch], None],
    ) -> TuneLog:
        """Train in place by cross-entropy over each example's own choices; keep the best validation epoch.

        What is offered as `tune:hosted:KIND` is `remote.sessions.TrainsElsewhere` instead.
        """
        ...

    def save(self, folder: Path) -> Artifact:
        """Write the tuned weights as safetensors; `Backend.open(artifact=folder)` inverts it."""
        ...

    def usage(self) -> Usage:
        """Tokens, FLOPs and device figures since the last call."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Remembers(Protocol):
    """A session that keeps what it computed for earlier questions."""

    def forget(self) -> None:
        """Drop it: called before the test set is asked and before latency is taken, so that what is timed is done."""
        ...


class Backend(Protocol):
    def open(
        self, model: ModelCard, *, kind: Kind, labels: Sequence[str], seed: int, artifact: Path | None = None
    ) -> Session:
        """Open a model, or a saved adaptation of it; the seed reaches every random initialisation."""
        ...


@dataclass(frozen=True, slots=True)
class BackendSpec:
    name: str
    summary: str
    describe: Callable[[str], ModelCard]
    """Model id -> card, read from files; raises `ModelError` for a model that cannot be had."""
    offers: Callable[[ModelCard], frozenset[Capability]]
    load: str
    """`module:function` that returns the `Backend`; named rather than passed, so that a worker can find it."""
    default_model: str | None
    """None: whoever wants it names a model."""
    requires: tuple[str, ...] = ()
    """Importable modules it needs; checked without importing them."""
    extra: str = ""
    """The extra of this distribution that installs them."""
    preload: tuple[str, ...] = ()
    """Modules that the zygote imports once for all of the backend's cells."""
    saves: str = ""
    """In which form it writes tuned weights, and how they are read without the harness: a shared one's card says it."""
    device: Callable[[], str] = lambda: "cpu"
    """Device kind the cells will use, found without importing the framework where possible."""
    why_not: Callable[[ModelCard, Capability], str] = lambda card, capability: ""
    """Why a capability is not offered for a model and what would change that, as a skipped cell shall say it."""
    service: Service | None = None
    """Whom it asks where the model does not run here: then `open` takes the cell's `purse` too (`remote.purse`), and
    it takes part only in runs that name it."""


Answerer = Callable[[Sequence[Question]], Answers]


class Context(Protocol):
    """What the worker hands a step beside the session: settings, seed, assets and a place to report."""

    @property
    def settings(self) -> Settings: ...
    @property
    def seed(self) -> int: ...
    def asset(self, name: str) -> Any:
        """An asset that the plan declared for this step (see `StrategySpec.assets`)."""
        ...

    def progress(self, epoch: Epoch) -> None: ...
    def record(self, name: str, value: Any) -> None:
        """Store a JSON value about this adaptation: chosen k and λ, training curves."""
        ...

    def recall(self, name: str) -> Any:
        """What was recorded when this adaptation was made, if a kept one is asked again; else None.

        A step that finds its choice here must not choose again.
        """
        ...

    def wait(self, pending: Pending) -> NoReturn:
        """Leave the cell waiting, without a process; it is run again from its start after a while."""
        ...

    @property
    def kept(self) -> Path | None:
        """Where this step saved its state when the adaptation was made, if a kept one is asked again."""
        ...

    @property
    def keep(self) -> Path | None:
        """Where this step saves state that `recall` cannot hold (arrays), if the adaptation is to be kept."""
        ...


class Step(Protocol):
    """One composable part of a strategy."""

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        """Attach context, tune the session or wrap the answerer; return what later steps work with."""
        ...


@runtime_checkable
class Settles(Protocol):
    """A step with choices that depend on the weights as finally trained."""

    def settle(self, session: Session | None, context: Context) -> None:
        """Called when every step has been applied; choose on validation, then answer with the choice."""
        ...


@dataclass(frozen=True, slots=True)
class Search:
    """Where trials look for a setting: between two ends, or among some values in their order."""

    low: float | None = None
    high: float | None = None
    log: bool = False
    """Whether ratios matter rather than differences."""
    values: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of a step; a value outside its bounds is refused before anything runs."""

    default: Any
    """Tells the type: true or false, a whole number, a number, a text, or `AUTO`."""
    help: str
    low: float | None = None
    high: float | None = None
    """Least and greatest number; with the default `AUTO`, they are what else it may be."""
    choices: tuple[Any, ...] = ()
    search: Search | None = None
    """Where `--trials` looks for it; None for what is not searched."""


@dataclass(frozen=True, slots=True)
class Reads:
    passages: int
    """With each question, at most."""
    tried: tuple[int, ...] = ()
    """With each validation question, once for every number of passages that is tried."""


NOTHING_READ = Reads(0)


@dataclass(frozen=True, slots=True)
class StrategySpec:
    name: str
    summary: str
    role: str
    """`context` (attaches passages), `weights` (tunes), `answerer` (wraps or replaces the answerer)."""
    load: str
    """`module:function` that returns the `Step`."""
    needs: Callable[[Kind], frozenset[Capability]] = lambda kind: frozenset()
    settings: Mapping[str, Setting] = field(default_factory=dict)
    needs_model: bool = True
    needs_training: bool = False
    needs_documents: bool = False
    seeded: bool = False
    """Whether a seed changes the result; an unseeded strategy is one cell, not one per seed."""
    composes: bool = True
    default: bool = True
    """Whether a run that names no strategies includes it."""
    assets: tuple[AssetSpec, ...] = ()
    reads: Callable[[Settings], Reads] = lambda settings: NOTHING_READ
    """From its own settings: what it makes the model read beside the question, for an estimate of what that costs."""
    preload: tuple[str, ...] = ()
    """Modules that a zygote imports once for all cells that may use this strategy."""


@dataclass(frozen=True, slots=True)
class AssetSpec:
    """Something cells share and nobody trains, made once in its own process and read by every backend."""

    name: str
    make: str
    """`module:function`, called as f(folder, input: AssetInput, settings, phase) in a process of its own.

    What it does `with phase("index"):` is charged to adapting every cell that reads it; other phases are not.
    `phase(name, counts)` adds what `counts()` returns, a `Usage` of tokens and FLOPs.
    """
    open: str
    """`module:function`, called as f(folder) in a cell's process; imports no framework."""
    settings: tuple[str, ...] = ()
    """Which of the step's settings shape it; others do not make a new one."""
    identity: Callable[[Settings], str] = lambda settings: ""
    """What else shapes it, such as the revision of a model that a setting names; may raise `ModelError`."""
    sees_evidence: Callable[[Settings], bool] = lambda settings: False
    """Whether, with these settings, it is a control that is told which documents hold the answers."""
    preload: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AssetInput:
    """What an asset is made from: documents and the texts of all questions, without gold or groups."""

    documents: tuple[Document, ...]
    texts: tuple[str, ...]
    train: tuple[str, ...] = ()
    """Of the training questions, in their order."""
    evidence: tuple[tuple[str, ...], ...] = ()
    """Of each text, the documents that hold its answer; empty but for a control (see `AssetSpec.sees_evidence`)."""


class Executor(Protocol):
    """Where the jobs of a run are done: local processes, or whatever else can do these three things."""

    def submit(self, id: str, job: Mapping[str, Any], preload: tuple[str, ...], limit_s: float) -> None:
        """Start a job (JSON) where the modules of `preload` are imported already; end it after `limit_s`."""
        ...

    def messages(self, wait_s: float) -> Iterator[tuple[str, dict[str, Any]]]:
        """Messages that arrive within `wait_s`, as (job id, message); a job's last one has an `end`."""
        ...

    def cancel(self, id: str) -> None:
        """End a job and tell nothing more of it; a job that has ended is no error."""
        ...


@dataclass(frozen=True, slots=True)
class TaskSpec:
    name: str
    summary: str
    path: Path
    """The `task.toml`."""


@dataclass(frozen=True, slots=True)
class MeasureSpec:
    name: str
    summary: str
    compute: Callable[[Evidence], Measurement]
    scopes: frozenset[str] = frozenset({"test"})
    """Where it is taken: on the `test` set, on all extra test `sets`, on each value of the `groups`, on `suites`."""


@dataclass(frozen=True, slots=True)
class PriceList:
    """A file of dated, sourced prices and of what accelerators can do (see `harness.prices.files`)."""

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened in a run; the same stream feeds the command line, notebooks and trackers."""

    name: str
    """`run.planned|leaves|ended`, `asset.started|done`, `cell.started|phase|epoch|waiting|left|ended`."""
    run: str
    cell: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
