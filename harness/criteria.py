"""What a good choice must fulfil, and what it will be used for: declared in a task or with `--criteria`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from harness.errors import UsageError, unknown
from harness.toml import read_toml

HOURS_PER_MONTH = 730.0


class Criteria(BaseModel):
    """Limits are in the unit of the measure; what is not limited does not matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_accuracy: float | None = Field(None, ge=0, le=100)
    least_macro_f1: float | None = Field(None, ge=0, le=100)
    most_overfit_gap: float | None = Field(None, ge=0)
    most_ece: float | None = Field(None, ge=0)
    most_group_gap: float | None = Field(None, ge=0)
    most_bias_delta: float | None = None
    most_flip_rate: float | None = Field(None, ge=0, le=100)
    most_forgetting: float | None = None
    most_latency_p95_ms: float | None = Field(None, gt=0)
    most_peak_ram_bytes: float | None = Field(None, gt=0)
    most_train_usd: float | None = Field(None, ge=0)
    most_usd_per_1k: float | None = Field(None, ge=0)
    most_total_usd: float | None = Field(None, ge=0)
    """Of ownership over the horizon."""
    decide_on: str = "test"
    """The question set whose accuracy decides: `test`, or a further one that is more like what will be asked."""
    data_may_leave: bool = True
    """Whether questions and documents may be sent to a service."""
    licences: tuple[str, ...] = ()
    """Of models that may be used; empty: any."""

    queries_per_month: float = Field(10_000, ge=0)
    horizon_months: int = Field(12, ge=1, le=600)
    retrain_every_months: int | None = Field(None, ge=1)
    refresh_every_months: int | None = Field(None, ge=1)
    """How often the documents are indexed again."""
    label_usd: float = Field(0.0, ge=0)
    """What one labelled training or validation question costs; 0: they are there."""
    hosting: Literal["per request", "always on"] = "per request"
    hosted_vcpus: int = Field(2, ge=1)
    """Of an always-on machine without a GPU."""

    def limits(self) -> Iterator[Limit]:
        for name, form in LIMITS.items():
            if (value := getattr(self, name)) is not None:
                yield Limit(name, *form, value)


@dataclass(frozen=True, slots=True)
class Limit:
    name: str
    measure: str
    words: str
    unit: str
    value: float

    @property
    def least(self) -> bool:
        return self.name.startswith("least_")

    @property
    def told(self) -> str:
        return f"{self.words} {'at least' if self.least else 'at most'} {self.value:g}{self.unit}"

    def met(self, value: float) -> bool:
        return value >= self.value if self.least else value <= self.value


LIMITS: Mapping[str, tuple[str, str, str]] = {
    "least_accuracy": ("accuracy", "accuracy", " %"),
    "least_macro_f1": ("macro_f1", "macro F1", " %"),
    "most_overfit_gap": ("overfit_gap", "overfitting gap", " points"),
    "most_ece": ("ece", "calibration error", " points"),
    "most_group_gap": ("group_gap", "gap between groups", " points"),
    "most_bias_delta": ("bias_delta", "gap between groups beyond the base model's", " points"),
    "most_flip_rate": ("flip_rate", "answers that change with the person", " %"),
    "most_forgetting": ("forgetting", "forgetting", ""),
    "most_latency_p95_ms": ("latency_p95_ms", "95th percentile of latency", " ms"),
    "most_peak_ram_bytes": ("peak_ram_bytes", "memory", " bytes"),
    "most_train_usd": ("train_usd", "cost of training", " USD"),
    "most_usd_per_1k": ("usd_per_1k", "cost of 1,000 answers", " USD"),
    "most_total_usd": ("total_usd", "cost of ownership", " USD"),
}
"""Criterion -> the measure that it limits, how that is called, its unit."""


def read_criteria(text: str, within: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`least_accuracy=80,most_latency_p95_ms=50`, or a TOML file of such keys, over those of the task.

    Returns what is set, checked; raises `UsageError`.
    """
    given = read_toml(Path(text), f"--criteria {text}") if text.endswith(".toml") else _pairs(text)
    return checked({**(within or {}), **given}, f"--criteria {text}")


def checked(given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The same if it is sound; raises `UsageError` with all that is wrong."""
    strange = [name for name in given if name not in Criteria.model_fields]
    if strange:
        raise UsageError(f"{where}: {unknown('criterion', strange[0], Criteria.model_fields)}")
    try:
        Criteria.model_validate(given)
    except ValidationError as error:
        faults = [f"{fault['loc'][0]} {fault['input']!r}: {fault['msg'].lower()}" for fault in error.errors()]
        raise UsageError(f"{where}: {'; '.join(faults)}") from None
    return dict(given)


def _pairs(text: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in filter(None, (part.strip() for part in text.split(","))):
        name, separator, value = pair.partition("=")
        if not separator:
            raise UsageError(f"--criteria {pair!r} must be NAME=VALUE, such as least_accuracy=80, or a file .toml")
        listed: Sequence[str] = value.split("|")
        found[name.strip()] = tuple(listed) if name.strip() == "licences" else value.strip()
    return found
