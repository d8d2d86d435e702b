"""What a service does for a cell in its own time: what is ordered, and what a plugin must be able to do for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Protocol, Self, TypeVar

HOSTED_EPOCHS = 4
"""Where a service chooses: three is usual, and it may be more."""


@dataclass(frozen=True, slots=True)
class HostedRecipe:
    """How a service trains; None leaves a number to the service."""

    epochs: int | None
    batch_size: int | None
    lr_multiplier: float | None
    """Of the service's own learning rate."""
    seed: int


@dataclass(frozen=True, slots=True)
class Pending:
    """What `Session.tune` returns while the service still trains."""

    handle: str
    """The service's name of the job, or what is waited for."""
    poll_after_s: float


class StillWaiting(Exception):
    """Unwinds a cell whose training goes on elsewhere; the same job, asked again, goes on from there."""

    def __init__(self, pending: Pending) -> None:
        self.pending = pending
        super().__init__(pending.handle)


class State(StrEnum):
    """Only the last three are ends: a status that nobody knows is `RUNNING`."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class HostedJob:
    id: str
    state: State
    told: str
    """The service's own word for it."""
    label: str | None
    created: float
    """Seconds since 1970."""
    model: str | None = None
    """Of what was trained."""
    error: str | None = None
    trained_tokens: int | None = None
    seconds: float | None = None
    """From its creation to its end."""
    billed_s: float | None = None
    """So far, of a hired machine; None where the service does not tell."""


class Ordered(Protocol):
    """Files that are sent first, and a label, ours, by which the job is found again."""

    suffix: ClassVar[str]
    """Of the names of its files."""

    @property
    def files(self) -> Sequence[bytes]: ...

    def labelled(self, label: str) -> Self: ...


@dataclass(frozen=True, slots=True)
class Order:
    """One hosted training of one cell."""

    suffix: ClassVar[str] = ".jsonl"
    model: str
    train: bytes
    """JSON lines, as the service wants them."""
    validation: bytes
    """Empty where there are none."""
    recipe: HostedRecipe
    label: str = ""
    """Given when it is sent."""

    @property
    def files(self) -> Sequence[bytes]:
        return [content for content in (self.train, self.validation) if content]

    def labelled(self, label: str) -> Self:
        return replace(self, label=label)


Wanted = TypeVar("Wanted", bound=Ordered, contravariant=True)


class Orders(Protocol[Wanted]):
    """What a service that does such jobs can do; only `create` costs money. All raise what `faults` names."""

    def upload(self, name: str, content: bytes) -> str:
        """The id of a file of this name and content, sent unless it is there."""
        ...

    def ready(self, file: str) -> bool:
        """Whether an uploaded file can be used; raises `Refused` for one that never will."""
        ...

    def create(self, order: Wanted, file: str, other: str | None, /) -> HostedJob:
        """Sends one request and never a second one."""
        ...

    def labelled(self, prefix: str) -> Sequence[HostedJob]:
        """Jobs whose label begins so, oldest first."""
        ...

    def job(self, id: str) -> HostedJob: ...

    def cancel(self, id: str) -> HostedJob: ...


class Jobs(Orders[Order], Protocol):
    """Of a service that trains: `create(order, train, validation)`."""
