"""Total cost of ownership: training, retraining, labels, index, hosting and answers over a horizon, by volume.

What an arm costs is a + b·q for q queries a month, but for machines that are always on, which come whole. Ranges are
no intervals: their ends join the least and the greatest seed with the ends of what training is taken to use of a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.criteria import HOURS_PER_MONTH, Criteria

DRAWN = tuple(10 ** (power / 4) for power in range(8, 33))
"""Volumes at which curves are drawn: a hundred to a hundred million queries a month."""
LEAST, MOST = 1.0, 1e9
"""Volumes between which a flip is looked for."""
PARTS = ("training", "retraining", "labelling", "indexing", "hosting", "answering")
BUSY = 0.5
"""Share of the time in which a machine that is always on answers: more of it would make queries wait."""
STEPS, HALVINGS = 400, 60


@dataclass(frozen=True, slots=True)
class Range:
    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, float]:
        return {"value": self.value, "low": self.low, "high": self.high}


@dataclass(frozen=True, slots=True)
class Costs:
    """What one arm costs, in US dollars; None is not known."""

    arm: str
    trains: bool
    training: Range | None
    """Once, with indexing what it reads."""
    indexing: float | None
    """Once; 0 where it reads nothing."""
    question: Range | None
    """One answer."""
    question_s: float | None
    """The wall time that it takes among many."""
    labels: int
    machine_hour: float | None
    """Of a machine that is always on."""
    rented_hour: float | None = None
    """Of what a service charges for as long as the arm's model can be asked; None where there is no such charge."""

    @property
    def unknown(self) -> str | None:
        """Why the whole is not known, or None."""
        missing = {"training it": self.training, "answering": self.question, "indexing": self.indexing}
        names = [name for name, found in missing.items() if found is None]
        return f"what {' and '.join(names)} costs is not known" if names else None


End = Callable[[Range], float]
ENDS: Mapping[str, End] = {"value": lambda r: r.value, "low": lambda r: r.low, "high": lambda r: r.high}


class Ownership:
    """What arms cost under the criteria's assumptions."""

    def __init__(self, costs: Sequence[Costs], criteria: Criteria) -> None:
        self.costs = {each.arm: each for each in costs}
        self.criteria = criteria

    def parts(self, arm: str, queries: float, end: End = ENDS["value"]) -> dict[str, float] | None:
        """US dollars over the horizon by `PARTS`; None where any is not known."""
        costs, use = self.costs[arm], self.criteria
        if costs.training is None or costs.question is None or costs.indexing is None:
            return None
        again = _times(use.horizon_months, use.retrain_every_months) if costs.trains else 0
        refreshed = _times(use.horizon_months, use.refresh_every_months)
        hosting, answering = 0.0, end(costs.question) * queries * use.horizon_months
        if costs.rented_hour is not None:
            hosting = costs.rented_hour * HOURS_PER_MONTH * use.horizon_months
        elif use.hosting == "always on":
            if costs.machine_hour is None or costs.question_s is None:
                return None
            busy_h = queries * costs.question_s / 3600
            machines = max(1, math.ceil(busy_h / (HOURS_PER_MONTH * BUSY)))
            hosting, answering = machines * costs.machine_hour * HOURS_PER_MONTH * use.horizon_months, 0.0
        training = end(costs.training)
        return {
            "training": training,
            "retraining": again * training,
            "labelling": costs.labels * use.label_usd if costs.trains else 0.0,
            "indexing": max(0, refreshed - again) * costs.indexing,
            "hosting": hosting,
            "answering": answering,
        }

    def total(self, arm: str, queries: float | None = None, end: str = "value") -> float | None:
        volume = self.criteria.queries_per_month if queries is None else queries
        found = self.parts(arm, volume, ENDS[end])
        return None if found is None else sum(found.values())

    def cheapest(self, arms: Sequence[str], queries: float | None = None) -> str | None:
        known = [(total, arm) for arm in arms if (total := self.total(arm, queries)) is not None]
        return min(known)[1] if known else None

    def flips(self, arms: Sequence[str]) -> list[dict[str, Any]]:
        """The volumes at which another of these arms becomes the cheapest, with the range of each."""
        found = []
        before, at = self.cheapest(arms, LEAST), LEAST
        for step in range(1, STEPS + 1):
            volume = LEAST * (MOST / LEAST) ** (step / STEPS)
            now = self.cheapest(arms, volume)
            if now is not None and before is not None and now != before:
                where = self._crossing(before, now, at, volume)
                low, high = self._range(before, now)
                found.append({"queries_per_month": where, "low": low, "high": high, "cheaper": now, "than": before})
            before, at = now, volume
        return found

    def _less(self, after: str, before: str, at: float, ends: tuple[str, str]) -> bool:
        """Whether `after` costs less than `before` at a volume, each at its own end of its range."""
        one, other = self.total(after, at, ends[1]), self.total(before, at, ends[0])
        return one is not None and other is not None and one < other

    def _crossing(
        self, before: str, after: str, low: float, high: float, ends: tuple[str, str] = ("value", "value")
    ) -> float:
        """Where `after` begins to cost less than `before`, between two volumes."""
        for _ in range(HALVINGS):
            middle = math.sqrt(low * high)
            low, high = (low, middle) if self._less(after, before, middle, ends) else (middle, high)
        return high

    def _range(self, before: str, after: str) -> tuple[float | None, float | None]:
        """The same crossing where costs lie at those ends that make it come first, and last; None: at no volume."""
        found = []
        for ends in (("high", "low"), ("low", "high")):
            less = [self._less(after, before, at, ends) for at in (LEAST, MOST)]
            found.append(self._crossing(before, after, LEAST, MOST, ends) if less == [False, True] else None)
        return found[0], found[1]

    def document(self, candidates: Sequence[str], sources: Mapping[str, str]) -> dict[str, Any]:
        """As the report has it; `candidates` are those between which money decides."""
        flips = self.flips(candidates)
        return {
            "assumptions": [
                {
                    "name": name,
                    "value": getattr(self.criteria, name),
                    "unit": unit,
                    "source": sources.get(name, "default"),
                }
                for name, unit in ASSUMED.items()
            ],
            "arms": [self._arm(arm) for arm in self.costs],
            "candidates": list(candidates),
            "flips": flips,
            "cheapest": self.cheapest(candidates),
            "told": self._told(candidates, flips),
        }

    def _arm(self, arm: str) -> dict[str, Any]:
        volume = self.criteria.queries_per_month
        known = {name: self.total(arm, volume, name) for name in ENDS}
        fixed = {name: self.total(arm, 0.0, name) for name in ENDS}
        drawn = DRAWN if known["value"] is not None else ()
        curve = [[at, *(self.total(arm, at, name) for name in ENDS)] for at in drawn]
        return {
            "arm": arm,
            "total_usd": known,
            "fixed_usd": fixed,
            "per_query_usd": found.to_json() if (found := self.costs[arm].question) else dict.fromkeys(ENDS),
            "parts": self.parts(arm, volume),
            "reason": self.costs[arm].unknown,
            "curve": curve,
        }

    def _told(self, candidates: Sequence[str], flips: Sequence[Mapping[str, Any]]) -> str:
        priced = [arm for arm in candidates if self.total(arm) is not None]
        if not priced:
            return "what the arms cost is not known"
        if len(candidates) == 1:
            return f"nothing else ties with {candidates[0]} closely enough for cost to decide"
        if len(priced) == 1:
            return f"{priced[0]} is the only one to choose from whose cost is known"
        if not flips:
            return f"{self.cheapest(priced)} costs least at any volume"
        first = self.cheapest(priced, LEAST)
        changes = [f"from about {flip['queries_per_month']:,.0f} queries a month {flip['cheaper']}" for flip in flips]
        return f"{first} costs least at low volume, {', '.join(changes)}"


ASSUMED = {
    "queries_per_month": "",
    "horizon_months": "months",
    "retrain_every_months": "months",
    "refresh_every_months": "months",
    "label_usd": "USD",
    "hosting": "",
    "hosted_vcpus": "",
}
"""Criteria that are assumptions of use, with their units."""


def _times(months: int, every: int | None) -> int:
    """How often within the horizon something is done again after it was done first."""
    return 0 if every is None else (months - 1) // every
