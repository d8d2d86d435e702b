"""What the user asked for, checked against what is installed, before anything runs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.contracts import AUTO, Setting, StrategySpec
from harness.energy import CODECARBON, COUNTERS, SOURCES
from harness.errors import UsageError, unknown
from harness.planned import Place
from harness.registry import Registry, require

KEEP = ("none", "best", "all")
PERMUTED = "permuted"
CONTROLS = (PERMUTED,)
MARGIN = 2.0
"""Points within which two arms are called equivalent, if nothing else is asked."""
RUN_ORDER = ("context", "weights", "answerer")
"""Steps apply in this order however the name is spelt: retrieval first, so that training sees it."""
NAME_ORDER = ("answerer", "weights", "context")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a user says of terms: for a run, or for a report of one that was made on others."""

    criteria: str | None = None
    """`NAME=VALUE,...` or a TOML file."""
    prices: Path | None = None
    gpu: str | None = None
    """`[PROVIDER/]NAME`."""

    @property
    def anything(self) -> bool:
        return any((self.criteria, self.prices, self.gpu))


@dataclass(frozen=True, slots=True)
class Request:
    """One run as asked; names are checked in `plan`."""

    task: str
    strategies: tuple[str, ...] = ()
    """Empty: every default strategy and composition."""
    backends: tuple[str, ...] = ()
    """Empty: every backend whose libraries are installed."""
    models: tuple[str, ...] = ()
    """`[BACKEND:]ID`; empty: each backend's default."""
    seeds: tuple[int, ...] = (0,)
    limit: int | None = None
    per_label: int | None = None
    """Rows of each label to train and validate on."""
    suites: tuple[str, ...] = ()
    """`TASK[=DATA]`: tasks whose test questions are asked too, and where their data lies."""
    twins: tuple[str, ...] = ()
    """What to make twins of test questions by (see `twins.KINDS`)."""
    sizes: tuple[str, ...] = ()
    """Shares of the training questions, `10%`, that arms which train are trained on too."""
    controls: tuple[str, ...] = ()
    """What else they are trained on, to see what must come to nothing (see `trainings`)."""
    settings: Mapping[str, str] = field(default_factory=dict)
    trials: int = 0
    """Settings tried on validation by every arm that has any to search."""
    held: str | None = None
    """`general` or a file of texts: how much of them is forgotten is measured where weights are trained."""
    jobs: int = 1
    keep: str = "none"
    energy: str = COUNTERS
    """How energy is known (see `energy.SOURCES`)."""
    time_limit_s: float = 3600.0
    max_cost_usd: float | None = None
    """The most that the cells may cost at the prices of the devices they run on."""
    max_gpu_hours: float | None = None
    allow_spend: bool = False
    """Whether services may be asked, which charge for it and are sent the task's texts."""
    allow_personal: bool = False
    """Whether they may be sent texts that seem to hold personal data."""
    asked: Asked = field(default_factory=Asked)
    """On what terms the run is judged."""
    on: str | None = None
    """`SERVICE:FLAVOR`: the machine hired for each cell of a model that would run here; None: they run here."""
    fresh: bool = False
    store: Path = Path(".harness")
    data: Path | None = None

    def __post_init__(self) -> None:
        if self.keep not in KEEP:
            raise UsageError(unknown("--keep value", self.keep, KEEP))
        if self.energy not in SOURCES:
            raise UsageError(unknown("--energy value", self.energy, SOURCES))
        if self.energy == CODECARBON:
            require("--energy codecarbon", ("codecarbon",), "codecarbon")
        for size in self.sizes:
            share(size)
        for control in self.controls:
            if control not in CONTROLS:
                raise UsageError(unknown("--control value", control, CONTROLS))
        if self.limit is not None and self.limit < 1:
            raise UsageError(f"--limit {self.limit} must be at least 1")
        if self.per_label is not None and self.per_label < 1:
            raise UsageError(f"--per-label {self.per_label} must be at least 1")
        if self.trials < 0:
            raise UsageError(f"--trials {self.trials} must be at least 1")
        if self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs} must be at least 1")
        if not 0 < self.time_limit_s < math.inf:
            raise UsageError(f"--time-limit {self.time_limit_s} must be a number of seconds above 0")
        for flag, most in (("--max-cost", self.max_cost_usd), ("--max-gpu-hours", self.max_gpu_hours)):
            if most is not None and not 0 <= most < math.inf:
                raise UsageError(f"{flag} {most} must be a number from 0")
        if not self.seeds or len(set(self.seeds)) != len(self.seeds) or min(self.seeds) < 0:
            raise UsageError("--seeds must be different whole numbers from 0, such as 0,1,2")


def share(text: str) -> float:
    """`10%` -> 0.1; raises `UsageError` for what is no share of the training questions."""
    try:
        found = float(text.strip().removesuffix("%")) / 100 if text.strip().endswith("%") else math.nan
    except ValueError:
        found = math.nan
    if not 0 < found <= 1:
        raise UsageError(f"--sizes {text!r} must be a share above 0% and up to 100%, such as 10%,30%,100%")
    return found


@dataclass(frozen=True, slots=True)
class Strategy:
    """A strategy as run: its parts in running order under their one canonical name."""

    name: str
    steps: tuple[StrategySpec, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Its own, as `step.name`: they beat the run's."""

    @property
    def needs_model(self) -> bool:
        return any(step.needs_model for step in self.steps)

    @property
    def seeded(self) -> bool:
        return any(step.seeded for step in self.steps)


def parse_strategy(registry: Registry, text: str) -> Strategy:
    """`lora+rag` or `rag+lora` -> the same strategy; raises `UsageError` for what cannot be joined.

    A part may carry settings, so that one run compares several: `rag:retriever=bm25+lora:rank=16`.
    """
    parts, settings, shown = [], dict[str, Any](), dict[str, str]()
    for part in text.split("+"):
        name, *given = part.strip().split(":")
        spec = registry.strategies.get(name)
        own = resolve_settings(registry, _pairs(text, name, given))
        parts.append(spec)
        settings.update(own)
        shown[name] = "".join(f":{key.split('.', 1)[1]}={value}" for key, value in sorted(own.items()))
    names = [part.name for part in parts]
    if len(set(names)) != len(names):
        raise UsageError(f"strategy {text!r} names a part twice")
    alone = [part.name for part in parts if not part.composes]
    if alone and len(parts) > 1:
        raise UsageError(f"strategy {text!r}: {alone[0]!r} does not compose; run it by itself")
    for role, twice in (("weights", "tunes the weights"), ("context", "gives context")):
        if sum(part.role == role for part in parts) > 1:
            raise UsageError(f"strategy {text!r} {twice} twice; choose one")
    ordered = sorted(parts, key=lambda part: (RUN_ORDER.index(part.role), part.name))
    named = sorted(parts, key=lambda part: (NAME_ORDER.index(part.role), part.name))
    return Strategy("+".join(part.name + shown[part.name] for part in named), tuple(ordered), settings)


def _pairs(text: str, step: str, given: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for pair in given:
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"strategy {text!r}: {pair!r} must be NAME=VALUE, such as rag:retriever=bm25")
        pairs[f"{step}.{name.strip()}"] = value.strip()
    return pairs


def default_strategies(registry: Registry) -> list[Strategy]:
    """Every default strategy, floors first, then every tuning joined with every context."""
    specs = [spec for spec in registry.strategies if spec.default]
    specs.sort(key=lambda spec: (spec.needs_model, RUN_ORDER[::-1].index(spec.role), spec.name))
    weights = [spec for spec in specs if spec.role == "weights" and spec.composes]
    contexts = [spec for spec in specs if spec.role == "context" and spec.composes]
    joined = [f"{weight.name}+{context.name}" for weight in weights for context in contexts]
    return [parse_strategy(registry, name) for name in [*(spec.name for spec in specs), *joined]]


def resolve_settings(registry: Registry, given: Mapping[str, str]) -> dict[str, Any]:
    """`step.name=text` -> typed values; raises `UsageError` naming what was possible."""
    known = {f"{spec.name}.{name}": setting for spec in registry.strategies for name, setting in spec.settings.items()}
    resolved = {}
    for key, text in given.items():
        if key not in known:
            raise UsageError(unknown("setting", key, known))
        resolved[key] = _typed(key, text, known[key])
    return resolved


def _typed(key: str, text: str, setting: Setting) -> Any:
    default = setting.default
    try:
        if isinstance(default, bool):
            value: Any = {"true": True, "false": False}[text.lower()]
        elif isinstance(default, int | float) or (default == AUTO and setting.low is not None and text != AUTO):
            value = _number(text, setting)
        else:
            value = text
    except (KeyError, ValueError):
        raise UsageError(f"setting {key}={text!r} must be {_possible(setting)}, such as {default}") from None
    if setting.choices and value not in setting.choices:
        raise UsageError(f"setting {key}={text!r} must be one of {', '.join(map(str, setting.choices))}")
    return value


def _number(text: str, setting: Setting) -> int | float:
    """Whole where the default or, for `AUTO`, the lower bound is; ValueError outside the bounds."""
    like = setting.low if setting.default == AUTO else setting.default
    value = int(text) if isinstance(like, int) else float(text)
    low, high = setting.low, setting.high
    if not math.isfinite(value) or (low is not None and value < low) or (high is not None and value > high):
        raise ValueError(text)
    return value


def _possible(setting: Setting) -> str:
    if isinstance(setting.default, bool):
        return "true or false"
    like = setting.low if setting.default == AUTO else setting.default
    sort = "a whole number" if isinstance(like, int) else "a number"
    bounds = (f" from {setting.low:g}" if setting.low is not None else "") + (
        f" to {setting.high:g}" if setting.high is not None else ""
    )
    return f"{AUTO} or {sort}{bounds}" if setting.default == AUTO else f"{sort}{bounds}"


def settings_of(steps: Iterable[StrategySpec], given: Mapping[str, Any]) -> dict[str, Any]:
    """The full settings of an arm: its steps' defaults under what was given."""
    return {
        f"{step.name}.{name}": given.get(f"{step.name}.{name}", setting.default)
        for step in steps
        for name, setting in step.settings.items()
    }


def searched(steps: Iterable[StrategySpec], given: Mapping[str, Any]) -> dict[str, Setting]:
    """The settings that trials look for: those with a space that were not given."""
    return {
        key: setting
        for step in steps
        for name, setting in step.settings.items()
        if setting.search is not None and (key := f"{step.name}.{name}") not in given
    }


def place_of(registry: Registry, text: str) -> Place:
    """`huggingface:l4x1` -> whose machine, and which; raises `UsageError` for what there is not."""
    name, separator, flavor = text.partition(":")
    if not separator or not flavor:
        raise UsageError(f"--on {text!r} must be SERVICE:FLAVOR, such as huggingface:l4x1")
    machines = registry.machines.get(name)
    return Place(machines, machines.flavor(flavor))


def models_for(registry: Registry, backend: str, given: Sequence[str]) -> list[str]:
    """The model ids one backend shall run: those given for it or for all, else its default."""
    spec = registry.backends.get(backend)
    ids = []
    for text in given:
        prefix, separator, rest = text.partition(":")
        if separator and prefix in registry.backends.specs:
            if prefix == backend:
                ids.append(rest)
        elif spec.service is None:  # a name without a backend is a model that runs here, and is never sent elsewhere
            ids.append(text)
    return list(dict.fromkeys(ids)) or ([spec.default_model] if spec.default_model is not None else [])
