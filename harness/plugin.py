"""What a plugin author imports: ``from harness.plugin import hookimpl`` and the contract's types."""

from __future__ import annotations

import pluggy

from harness.contracts import (
    API_VERSION,
    AssetSpec,
    Backend,
    BackendSpec,
    MeasureSpec,
    Price,
    PriceList,
    ReporterSpec,
    Session,
    Setting,
    Step,
    StrategySpec,
    TaskSpec,
)

hookimpl = pluggy.HookimplMarker("harness")

__all__ = [
    "API_VERSION",
    "AssetSpec",
    "Backend",
    "BackendSpec",
    "MeasureSpec",
    "Price",
    "PriceList",
    "ReporterSpec",
    "Session",
    "Setting",
    "Step",
    "StrategySpec",
    "TaskSpec",
    "hookimpl",
]
