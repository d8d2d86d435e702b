"""On what terms a run is judged: criteria, prices and the day; kept with the run, so that it can be judged again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from harness.criteria import Criteria, checked, read_criteria
from harness.prices import Tariff, read_book, tariff
from harness.registry import Registry
from harness.request import Asked

BEFORE, AFTER = "before the run", "after the run"


@dataclass(frozen=True, slots=True)
class Terms:
    given: Mapping[str, Any]
    """The criteria that somebody set; all others have their defaults."""
    tariff: Tariff | None
    as_of: date
    declared: str = BEFORE

    @property
    def criteria(self) -> Criteria:
        return Criteria.model_validate(self.given)

    def to_json(self) -> dict[str, Any]:
        return {
            "criteria": Criteria.model_validate(self.given).model_dump(mode="json", include=set(self.given)),
            "tariff": self.tariff.to_json() if self.tariff else None,
            "as_of": self.as_of.isoformat(),
        }

    @classmethod
    def from_json(cls, found: Mapping[str, Any]) -> Terms:
        priced = Tariff.from_json(found["tariff"]) if found["tariff"] else None
        return cls(found["criteria"], priced, date.fromisoformat(found["as_of"]))


def make_terms(asked: Asked, registry: Registry, task: Mapping[str, Any], today: date) -> Terms:
    """Terms before a run; criteria given beat those of the task one by one. Raises `UsageError`."""
    given = read_criteria(asked.criteria, task) if asked.criteria else checked(task, "criteria of the task")
    return Terms(given, tariff(read_book(registry.prices, asked.prices), asked.gpu), today)


def changed(terms: Terms, asked: Asked, registry: Registry, today: date) -> Terms:
    """Other terms for a run that was made on these: only what is asked for changes, and that is said."""
    given = read_criteria(asked.criteria, terms.given) if asked.criteria else terms.given
    priced, as_of = terms.tariff, terms.as_of
    if asked.prices or asked.gpu:
        priced, as_of = tariff(read_book(registry.prices, asked.prices), asked.gpu), today
    return Terms(given, priced, as_of, AFTER if asked.criteria else terms.declared)
