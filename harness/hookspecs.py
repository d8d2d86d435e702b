"""The whole extension contract, on one screen."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from harness.contracts import (
        BackendSpec,
        Event,
        MeasureSpec,
        PriceList,
        StrategySpec,
        TaskSpec,
    )
    from harness.remote.machines import MachinesSpec
    from harness.remote.repositories import RepositoriesSpec
    from harness.reporting import ReporterSpec

hookspec = pluggy.HookspecMarker("harness")


@hookspec
def harness_tasks() -> Iterable[TaskSpec]:  # type: ignore[empty-body]
    """Tasks that come with the plugin."""


@hookspec
def harness_backends() -> Iterable[BackendSpec]:  # type: ignore[empty-body]
    """Mechanisms that run a model."""


@hookspec
def harness_strategies() -> Iterable[StrategySpec]:  # type: ignore[empty-body]
    """Ways of adapting a model."""


@hookspec
def harness_measures() -> Iterable[MeasureSpec]:  # type: ignore[empty-body]
    """Pure functions of stored evidence."""


@hookspec
def harness_reporters() -> Iterable[ReporterSpec]:  # type: ignore[empty-body]
    """Formats of the report document."""


@hookspec
def harness_prices() -> Iterable[PriceList]:  # type: ignore[empty-body]
    """Dated, sourced prices."""


@hookspec
def harness_machines() -> Iterable[MachinesSpec]:  # type: ignore[empty-body]
    """Services whose machines can be hired for cells."""


@hookspec
def harness_repositories() -> Iterable[RepositoriesSpec]:  # type: ignore[empty-body]
    """Services that keep adaptations in repositories."""


@hookspec
def harness_event(event: Event) -> None:
    """Told everything that happens in a run, in order."""
