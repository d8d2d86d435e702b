"""What a plugin author imports: ``from harness.plugin import hookimpl`` and the contract's types."""

from __future__ import annotations

import pluggy

from harness.contracts import (
    API_VERSION,
    AUTO,
    Answerer,
    AssetInput,
    AssetSpec,
    Backend,
    BackendSpec,
    Capability,
    Context,
    Event,
    MeasureSpec,
    PriceList,
    Reads,
    Search,
    Session,
    Setting,
    Step,
    StrategySpec,
    TaskSpec,
)
from harness.errors import HarnessError, ModelError, PluginError
from harness.later import later
from harness.remote.machines import MachinesSpec
from harness.remote.repositories import RepositoriesSpec
from harness.reporting import Links, Number, ReporterSpec
from harness.types import (
    NOT_PROBABILITIES,
    AllWeights,
    Answers,
    Artifact,
    Document,
    Epoch,
    Example,
    Kind,
    Lora,
    Material,
    Measurement,
    ModelCard,
    Passage,
    Question,
    Recipe,
    Text,
    TuneLog,
    Usage,
)

hookimpl = pluggy.HookimplMarker("harness")

__all__ = [
    "API_VERSION",
    "AUTO",
    "NOT_PROBABILITIES",
    "AllWeights",
    "Answerer",
    "Answers",
    "Artifact",
    "AssetInput",
    "AssetSpec",
    "Backend",
    "BackendSpec",
    "Capability",
    "Context",
    "Document",
    "Epoch",
    "Event",
    "Example",
    "HarnessError",
    "Kind",
    "Links",
    "Lora",
    "MachinesSpec",
    "Material",
    "MeasureSpec",
    "Measurement",
    "ModelCard",
    "ModelError",
    "Number",
    "Passage",
    "PluginError",
    "PriceList",
    "Question",
    "Reads",
    "Recipe",
    "ReporterSpec",
    "RepositoriesSpec",
    "Search",
    "Session",
    "Setting",
    "Step",
    "StrategySpec",
    "TaskSpec",
    "Text",
    "TuneLog",
    "Usage",
    "hookimpl",
    "later",
]
