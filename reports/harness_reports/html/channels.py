"""What stands for cost and for bias in a chart: the best of what was measured."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness_reports.figures import NOTHING, Found, found
from harness_reports.money import dollars
from harness_reports.owning import owned


@dataclass(frozen=True, slots=True)
class Channel:
    title: str
    """A comma ends its short form."""
    of: Mapping[str, Found]
    """Arm -> measurement, where there is one."""
    form: Callable[[float | None], str]
    measure: str
    """As the document calls it."""

    @property
    def short(self) -> str:
        return self.title.split(",")[0]

    def value(self, arm: str) -> float | None:
        return self.of.get(arm, {}).get("value")


def cost(report: Mapping[str, Any]) -> Channel:
    """Of ownership where it is known above 0, else of a thousand questions, of training or of its time."""

    def measured(name: str) -> dict[str, Found]:
        of = {arm["arm"]: found(arm["measurements"], name) for arm in report["table"]}
        return {arm: each for arm, each in of.items() if (each["value"] or 0) > 0}

    total = {arm["arm"]: arm.get("total_usd") or {} for arm in owned(report)}
    candidates = (
        Channel(
            "cost of ownership in USD",
            {arm: each for arm, each in total.items() if (each.get("value") or 0) > 0},
            dollars,
            "ownership",
        ),
        Channel("USD per 1,000 questions", measured("usd_per_1k"), dollars, "usd_per_1k"),
        Channel("cost of training in USD", measured("train_usd"), dollars, "train_usd"),
        Channel("seconds of training", measured("train_s"), _seconds, "train_s"),
    )
    return max(candidates, key=lambda channel: (len(channel.of) > 1, len(channel.of) > 0))


def bias(report: Mapping[str, Any]) -> Channel:
    """The gap between groups, else what adapting added to it; where neither is measured, the first."""
    gap, delta = (
        {arm["arm"]: each for arm in report["table"] if (each := found(arm["measurements"], name))["value"] is not None}
        for name in ("group_gap", "bias_delta")
    )
    if delta and not gap:
        return Channel("bias delta, the group gap less that of the model unadapted", delta, _points_told, "bias_delta")
    return Channel("group gap, the largest difference in accuracy between groups", gap, _points_told, "group_gap")


def _seconds(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.3g} s"


def _points_told(value: float | None) -> str:
    return NOTHING if value is None else f"{value:.1f}"
