"""What a report says of money and of the choice: prices, ownership and the decision, from what arms showed."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from typing import Any

from harness.compare import Compared
from harness.decide import Candidate, Choice, Facts, Pair, choose, decided
from harness.errors import UsageError, unknown
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
    findings: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    """`prices`, `ownership` and `decision` of a report; `earlier` is the decision that the run ended with.

    Raises `UsageError` where the criteria decide on a question set that is none.
    """
    if not arms:
        return {"prices": _prices(terms), "ownership": None, "decision": None}
    rows, criteria = {row["arm"]: row for row in table}, terms.criteria
    sets = ("test", *arms[0].task.extra_tests)
    if criteria.decide_on not in sets:
        raise UsageError(f"criterion decide_on: {unknown('question set', criteria.decide_on, sets)}")
    ownership = Ownership([costs(arm, criteria) for arm in arms], criteria)
    facts = Facts(
        tuple(_candidate(arm, rows[arm.arm.name], criteria.decide_on) for arm in arms),
        arms[0].task.primary,
        margin,
        criteria,
        ownership,
        functools.cache(lambda a, b: _pair(found.pair(a, b, criteria.decide_on))),
    )
    made = choose(facts)
    doubts = [*_serious(findings), *_thin(rows.values())]
    decision = decided(
        facts, made, terms, doubts, _elsewhere(made, found, sets, criteria.decide_on), _endings(arms, made)
    )
    return {
        "prices": _prices(terms),
        "ownership": ownership.document(made.interchangeable, dict.fromkeys(terms.given, terms.declared)),
        "decision": {**decision, "replayed": _replayed(decision, earlier)},
    }


def _candidate(arm: Evidence, row: Mapping[str, Any], decide_on: str) -> Candidate:
    """What was measured on the set that decides, over what was measured on the test set."""
    measured = {**row["measurements"], **row["tests"].get(decide_on, {})}
    licence, leaves = arm.model.licence if arm.model else None, arm.served["endpoint"] if arm.served else None
    return Candidate(arm.arm.name, measured, arm.trained, licence, leaves)


def _pair(told: Mapping[str, Any] | None) -> Pair | None:
    if told is None:
        return None
    names = ("low", "high", "verdict", "detectable", "more_questions")
    return Pair(told["difference"], *(told[name] for name in names))


def _serious(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    return [f"the task's data: {each['check']}, {each['where']}: {each['told']}" for each in findings]


def _elsewhere(made: Choice, found: Compared, sets: Sequence[str], decide_on: str) -> list[str]:
    """Question sets on which another arm that may be chosen is shown to be better than the choice."""
    told = []
    for name in sets:
        if name == decide_on or made.choice is None or made.failed is None:
            continue
        for arm, failed in made.failed.items():
            pair = _pair(found.pair(arm, made.choice, name)) if arm != made.choice and not failed else None
            if pair is not None and pair.verdict == "better":
                apart = f"{pair.value:.1f} points [{pair.low:.1f}, {pair.high:.1f}]"
                told.append((pair.value, f"on {name}, {arm} is {apart} better than {made.choice}"))
    return [line for _, line in sorted(told, reverse=True)]


def _endings(arms: Sequence[Evidence], made: Choice) -> list[tuple[date, str]]:
    """Of services and models on which the choice rests, or what it ties with."""
    told = [arm.served["notices"] for arm in arms if arm.served and arm.arm.name in (made.choice, *made.ties)]
    return [(date.fromisoformat(each["ends"]), each["told"]) for notices in told for each in notices if each["ends"]]


def _thin(rows: Iterable[Mapping[str, Any]]) -> list[str]:
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
        "gpu": tariff.gpu.to_json(),
        "used": [asdict(price) for price in used],
        "warnings": tariff.warnings(terms.as_of),
    }
