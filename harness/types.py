"""The values that flow through a run: frozen, framework-free, in the glossary's words.

A `Question` has no answer, group, cluster or evidence field, and strategies only ever see `Material`:
test gold cannot reach a strategy through this API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Scores = npt.NDArray[np.float32]

Settings = Mapping[str, Any]
"""Flat settings of an arm, `step.name` -> JSON scalar."""


class Kind(StrEnum):
    CLASSIFICATION = "classification"
    CHOICE = "choice"


@dataclass(frozen=True, slots=True)
class Text:
    """One textual part of a question's content."""

    text: str


Part = Text


@dataclass(frozen=True, slots=True)
class Document:
    id: str
    text: str
    title: str = ""


@dataclass(frozen=True, slots=True)
class Passage:
    """A text as a question carries it; `weight` in (0, 1], 1 for the best match."""

    document_id: str | None
    """None for what is no document of the task, such as a training question shown as an example."""
    text: str
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, and nothing that would give the answer away."""

    id: str
    content: tuple[Part, ...]
    choices: tuple[str, ...]
    passages: tuple[Passage, ...] = ()
    reading: float = 0.0
    """Weight of the passages in the score of a choice, in [0, 1] (see `prompts`)."""

    @property
    def text(self) -> str:
        return "\n".join(part.text for part in self.content)


@dataclass(frozen=True, slots=True)
class Example:
    """A training or validation question with its gold answer (`target` indexes `question.choices`)."""

    question: Question
    target: int
    cluster: str


@dataclass(frozen=True, slots=True)
class Row:
    """A question with everything the core knows about it; never handed to a plugin that answers."""

    question: Question
    gold: int
    cluster: str
    groups: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[str, ...] = ()
    twin: str | None = None
    """Rows with equal `twin` are one question asked about different people."""

    def example(self) -> Example:
        return Example(self.question, self.gold, self.cluster)


@dataclass(frozen=True, slots=True)
class QuestionSet:
    name: str
    rows: Sequence[Row]
    """A tuple, or what reads like one where there are many (see `codec.packed`)."""
    fingerprint: str

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Task:
    name: str
    kind: Kind
    description: str
    licence: str
    primary: str
    labels: tuple[str, ...]
    """Classification: the label names, in order; choice: empty."""
    train: QuestionSet | None
    validation: QuestionSet | None
    test: QuestionSet
    extra_tests: Mapping[str, QuestionSet]
    twins: QuestionSet | None
    documents: tuple[Document, ...]
    documents_fingerprint: str
    groups: tuple[str, ...]
    fingerprint: str
    within_twins: QuestionSet | None = None
    """Twin sets of people of one group who differ in their name alone: how often any other name flips an answer."""
    suites: Mapping[str, QuestionSet] = field(default_factory=dict)
    """Test questions of other tasks, asked of adaptations to this one and never trained on."""
    abstain: str | None = None
    """The answer that says that a question has none: a label, or the text of a choice."""
    positive: str | None = None
    """The label that is a favourable outcome for the person asked about."""
    criteria: Mapping[str, Any] = field(default_factory=dict)
    """What a good choice must fulfil (see `criteria.Criteria`); no part of the fingerprint."""

    @property
    def question_sets(self) -> Mapping[str, QuestionSet]:
        """Every set that a finished adaptation is asked, by name."""
        sets = {"test": self.test, **self.extra_tests}
        if self.twins is not None:
            sets["twins"] = self.twins
        if self.within_twins is not None:
            sets["within_twins"] = self.within_twins
        sets.update(self.suites)
        return sets


@dataclass(frozen=True, slots=True)
class Material:
    """All that a strategy ever sees of a task."""

    kind: Kind
    labels: tuple[str, ...]
    train: tuple[Example, ...]
    validation: tuple[Example, ...]
    documents: tuple[Document, ...]


@dataclass(frozen=True, slots=True)
class AllWeights:
    """Every weight of the model is trained."""


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank adapters W + (alpha / rank)·B·A on the attention projections (Hu et al. 2021, arXiv:2106.09685)."""

    rank: int
    alpha: float
    targets: tuple[str, ...] = ("query", "value")
    four_bit: bool = False
    """W is held as 4-bit NormalFloat, its scales quantised again (QLoRA, Dettmers et al. 2023, arXiv:2305.14314)."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How weights are trained; the same numbers mean the same thing on every backend."""

    trainable: AllWeights | Lora
    epochs: int
    lr: float
    batch_size: int
    warmup: float
    """Share of all steps over which the learning rate rises from 0; it then falls linearly to 0."""
    weight_decay: float
    patience: int
    """Epochs without a better validation loss before training stops."""
    max_tokens: int
    seed: int
    head_lr: float = 1e-3
    """Learning rate of a classification head, where the model has one."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of a training curve; losses are mean cross-entropies in nats, accuracy in [0, 1]."""

    epoch: int
    train_loss: float
    validation_loss: float | None
    validation_accuracy: float | None


@dataclass(frozen=True, slots=True)
class TuneLog:
    epochs: tuple[Epoch, ...]
    best_epoch: int
    trainable_parameters: int | None
    steps: int | None


NOT_PROBABILITIES, ENERGY_BY = "not_probabilities", "energy_by"
"""Names in a cell's log: why softmax of its scores means nothing, and what estimated its energy."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Scores over the choices of each question, in the order asked.

    `scores[i]` has one float32 per choice of question i: log-probabilities up to a constant, so softmax
    gives the backend's probabilities and argmax its answer. `passages[i]` names the documents read, best first.
    A step whose scores only rank says so: `context.record(NOT_PROBABILITIES, why)`.
    """

    scores: Sequence[Scores]
    passages: Sequence[tuple[str, ...]] = ()

    @property
    def chosen(self) -> list[int]:
        return [int(row.argmax()) for row in self.scores]


@dataclass(frozen=True, slots=True)
class Usage:
    """What a phase took; `device_s`, in which GPUs ran kernels, and `energy_j` are of all that ran. None: not known."""

    wall_s: float | None = None
    cpu_s: float | None = None
    device_s: float | None = None
    peak_ram_bytes: int | None = None
    peak_device_bytes: int | None = None
    tokens: int | None = None
    flops: float | None = None
    energy_j: float | None = None
    billed: Mapping[str, int] | None = None
    """`input tokens`, `output tokens`, ...: what a service told that it charges for."""
    layers: int | None = None
    """Computed one after another, passes counted as `flops` counts them (see `prices.book.LAYER_S`)."""


@dataclass(frozen=True, slots=True)
class Artifact:
    """A saved adaptation: a folder of safetensors and JSON with the hash of its content."""

    folder: str
    sha256: str
    bytes: int


@dataclass(frozen=True, slots=True)
class ModelCard:
    """What is known of a model from its files alone, before any framework is loaded."""

    id: str
    family: str
    """`sentence-encoder`, `encoder`, `causal`, or of a service `chat` or `embedding`, whose sizes nobody tells."""
    revision: str
    """Hash of the weights and configuration."""
    location: str
    parameters: int | None
    hidden: int | None
    layers: int | None
    embedding_parameters: int | None
    licence: str = "unknown"
    positions: int | None = None
    """The most tokens it reads at once; None where its configuration sets no limit."""
    architecture: str = ""
    """`model_type` of its configuration, such as `bert`."""
    pooling: str | None = None
    """Of a sentence encoder: `mean` or `cls`."""


class Basis(StrEnum):
    MEASURED = "measured"
    ESTIMATED = "estimated"
    PROJECTED = "projected"
    EMULATED = "emulated"


@dataclass(frozen=True, slots=True)
class Measurement:
    """A number with what is needed to judge it; `value` None comes with a `reason`."""

    value: float | None
    low: float | None = None
    high: float | None = None
    n: int | None = None
    unit: str = ""
    better: str | None = None
    """`higher`, `lower` or None where neither is better."""
    basis: Basis = Basis.MEASURED
    reason: str | None = None
    spread: float | None = None
    """Standard deviation between seeds, where several ran."""
    p: float | None = None
    """Of a test that the true value is 0, for values that are above 0 by chance alone, where there is such a test."""
    points: tuple[tuple[float, ...], ...] | None = None
    """The curve that the value sums up, where it sums up one."""


def not_measured(reason: str, unit: str = "", better: str | None = None) -> Measurement:
    return Measurement(value=None, unit=unit, better=better, reason=reason)


class Status(StrEnum):
    PLANNED = "planned"
    RUNNING = "running"
    WAITING = "waiting"
    DONE = "done"
    SKIPPED = "skipped"
    FAILED = "failed"
    INVALID = "invalid"
    TIMEOUT = "timeout"
    OOM = "oom"
    CRASHED = "crashed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Arm:
    """strategy × backend × model × settings: one row of the table."""

    strategy: str
    backend: str
    model: str | None
    settings: Settings

    @property
    def name(self) -> str:
        where = self.backend if self.model is None else f"{self.backend}:{self.model}"
        return f"{self.strategy}@{where}"

    def based_on(self, other: Arm) -> bool:
        """Whether `other` is the same model on the same backend, unadapted."""
        return other.strategy == "base" != self.strategy and (other.backend, other.model) == (self.backend, self.model)


def examples(rows: Sequence[Row]) -> tuple[Example, ...]:
    return tuple(row.example() for row in rows)
