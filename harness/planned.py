"""What a plan is made of: cells, and the assets that they read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.contracts import AssetSpec, BackendSpec, StrategySpec
from harness.remote.machines import Flavor, MachinesSpec
from harness.remote.service import Notice
from harness.search import Space
from harness.types import Arm, ModelCard, Status, Usage


@dataclass(frozen=True, slots=True)
class Cell:
    """task × arm × seed: the unit of work and of failure."""

    key: str
    """The adaptation key: everything that trained it (see `keys`)."""
    arm: Arm
    seed: int | None
    status: Status = Status.PLANNED
    reason: str | None = None
    estimate: Usage | None = None


@dataclass(frozen=True, slots=True)
class PlannedAsset:
    key: str
    """Of all that it holds, the questions asked included: another test set needs another asset."""
    spec: AssetSpec
    settings: Mapping[str, Any]
    identity: str
    """With the settings, what an adaptation that reads it is keyed by: not the questions asked."""
    training: str = ""
    """Whose training questions it is made of (see `PlannedCell.training`), if it is made of any."""

    @property
    def is_control(self) -> bool:
        return self.spec.sees_evidence(self.settings)


@dataclass(frozen=True, slots=True)
class Place:
    """A machine to be hired, on which a cell is done as it would be here."""

    machines: MachinesSpec
    flavor: Flavor

    @property
    def name(self) -> str:
        return f"{self.machines.name}:{self.flavor.name}"


@dataclass(frozen=True, slots=True)
class Served:
    """By whom a cell is answered, or done, that does not run here, and at what price (see `spending`, `hiring`)."""

    endpoint: str
    emulated: bool
    item: str
    """What prices have it under."""
    rates: Mapping[str, float]
    """US dollars for a million of each sort, such as tokens, that it is expected to need."""
    prices: tuple[str, ...]
    """The same in words, with dates and sources."""
    notices: tuple[Notice, ...]
    usd: float | None
    """What the cell is estimated to be charged; None where a price is not known."""
    rented: bool = False
    """Whether it is charged by the hour alone, from its start to its end."""


@dataclass(frozen=True, slots=True)
class PlannedCell:
    cell: Cell
    steps: tuple[StrategySpec, ...]
    backend: BackendSpec | None
    model: ModelCard | None
    assets: tuple[PlannedAsset, ...]
    space: Space = field(default_factory=dict)
    """What its trials search; empty where there are none."""
    held_by: str | None = None
    """The capability by which a held text set is read before and after training; None where it is not."""
    training: str = ""
    """The id of what it is trained on instead of the task's own training questions (see `trainings`)."""
    place: Place | None = None
    """Where it is done on a hired machine."""
    served: Served | None = None
    """By whom it is answered."""
    hired: Served | None = None
    """Whose machine it is done on."""

    @property
    def paid(self) -> Served | None:
        """Who charges for it."""
        return self.served or self.hired

    @property
    def secrets(self) -> tuple[str, ...]:
        """Environment variables whose values are never kept."""
        if self.place is not None:
            return self.place.machines.secrets
        return self.backend.service.secrets if self.backend and self.backend.service else ()

    @property
    def tunes(self) -> bool:
        return any(step.role == "weights" for step in self.steps)

    @property
    def name(self) -> str:
        return f"{self.cell.arm.name} on {self.training}" if self.training else self.cell.arm.name

    @property
    def device(self) -> str:
        """The kind of device that it runs on."""
        if self.place is not None:
            return self.place.flavor.device
        return self.backend.device() if self.backend else "cpu"

    @property
    def here(self) -> tuple[float | None, str]:
        """For how many seconds it is expected to hold this machine, and which kind of device of it."""
        if self.place is not None:
            return 0.0, "cpu"
        return self.cell.estimate.wall_s if self.cell.estimate else None, self.device

    @property
    def trains(self) -> bool:
        return any(step.needs_training for step in self.steps)

    @property
    def untrained(self) -> str | None:
        """The strategy that does all that this one does but train, if it tunes a model that could answer before."""
        if not any(step.role == "weights" for step in self.steps):
            return None
        training = {step.name for step in self.steps if step.needs_training}
        rest = [part for part in self.cell.arm.strategy.split("+") if part.split(":")[0] not in training]
        return "+".join(rest) or "base"
