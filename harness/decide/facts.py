"""What a decision goes by: arms with what was measured of them, how pairs of them differ, what each costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.criteria import Criteria, Limit
from harness.ownership import Ownership

TOTAL = "total_usd"
Found = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pair:
    """a − b on the primary measure, in points."""

    value: float
    low: float
    high: float
    verdict: str
    detectable: float
    more_questions: int | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """An arm that could be chosen; controls could not."""

    arm: str
    measured: Mapping[str, Found]
    """By measure, on the test set."""
    trains: bool
    licence: str | None = None
    """Of its model; None where it has none."""
    leaves: str | None = None
    """Where questions and documents are sent, for a service; None: nowhere."""


@dataclass(frozen=True, slots=True)
class Facts:
    candidates: tuple[Candidate, ...]
    primary: str
    margin: float
    """Points within which arms are taken to be as good as each other."""
    criteria: Criteria
    ownership: Ownership
    pair: Callable[[str, str], Pair | None]
    """How two arms differ; None where they were not compared."""

    def value(self, arm: str, measure: str) -> float | None:
        if measure == TOTAL:
            return self.ownership.total(arm)
        found = next(each for each in self.candidates if each.arm == arm).measured.get(measure)
        return None if found is None else found["value"]

    def end(self, arm: str, limit: Limit) -> float | None:
        """The end of the measure's interval that is nearer to failing the limit; None where there is none."""
        found = next(each for each in self.candidates if each.arm == arm).measured.get(limit.measure)
        return None if found is None else found["low" if limit.least else "high"]

    def failures(self, candidate: Candidate) -> list[str]:
        """Every criterion that it does not meet; one that was not measured is not met."""
        failed = []
        for limit in self.criteria.limits():
            value = self.value(candidate.arm, limit.measure)
            if value is None:
                failed.append(f"{limit.words} is not known")
            elif not limit.met(value):
                failed.append(f"{limit.told} is asked, {value:.3g}{limit.unit} was found")
        if candidate.leaves and not self.criteria.data_may_leave:
            failed.append(f"data may not leave, and it sends them to {candidate.leaves}")
        allowed = self.criteria.licences
        if allowed and candidate.licence is not None and candidate.licence not in allowed:
            failed.append(f"the licence of its model is {candidate.licence}, not {' or '.join(allowed)}")
        return failed
