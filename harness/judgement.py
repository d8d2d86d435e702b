"""What a report says of money and of the choice: prices, ownership and the decision, from what arms showed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from harness.compare import Compared
from harness.decide import Candidate, Facts, Pair, choose, decided
from harness.evidence import Evidence
from harness.ownership import Ownership
from harness.prices.charges import costs
from harness.store import Record
from harness.terms import Terms


def judged(
    arms: Sequence[Evidence],
    table: Sequence[Mapping[str, Any]],
    found: Compared,
    margin: float,
    terms: Terms,
    earlier: Record | None,
) -> dict[str, Any]:
    """`prices`, `ownership` and `decision` of a report; `earlier` is the decision that the run ended with."""
    if not arms:
        return {"prices": _prices(terms), "ownership": None, "decision": None}
    rows = {row["arm"]: row for row in table}
    ownership = Ownership([costs(arm, terms.criteria) for arm in arms], terms.criteria)
    facts = Facts(
        tuple(_candidate(arm, rows[arm.arm.name]) for arm in arms),
        arms[0].task.primary,
        margin,
        terms.criteria,
        ownership,
        lambda a, b: _pair(found.pair(a, b)),
    )
    decision = decided(facts, terms, _doubts(rows.values()))
    sources = dict.fromkeys(terms.given, terms.declared)
    return {
        "prices": _prices(terms),
        "ownership": ownership.document(choose(facts).interchangeable, sources),
        "decision": {**decision, "replayed": _replayed(decision, earlier)},
    }


def _candidate(arm: Evidence, row: Mapping[str, Any]) -> Candidate:
    return Candidate(arm.arm.name, row["measurements"], arm.trained, arm.model.licence if arm.model else None)


def _pair(told: Mapping[str, Any] | None) -> Pair | None:
    if told is None:
        return None
    names = ("low", "high", "verdict", "detectable", "more_questions")
    return Pair(told["difference"], *(told[name] for name in names))


def _doubts(rows: Any) -> list[str]:
    return [f"{row['arm']}: {note}" for row in rows for note in row["notes"] if "seeds" in note or "checkpoint" in note]


def _replayed(decision: Mapping[str, Any], earlier: Record | None) -> bool | None:
    """Whether it is the one that the run ended with; None where that run has ended with none."""
    return None if earlier is None else earlier.body["sha256"] == decision["sha256"]


def _prices(terms: Terms) -> dict[str, Any]:
    tariff = terms.tariff
    if tariff is None:
        return {"as_of": terms.as_of.isoformat(), "gpu": None, "used": [], "warnings": ["no prices are known"]}
    used = [price for price in (tariff.gpu_hour, tariff.cpu_hour) if price is not None]
    return {
        "as_of": terms.as_of.isoformat(),
        "gpu": {**asdict(tariff.gpu), "also": list(tariff.gpu.also)},
        "used": [asdict(price) for price in used],
        "warnings": tariff.warnings(terms.as_of),
    }
