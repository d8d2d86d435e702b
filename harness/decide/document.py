"""A decision as the report has it, with the hash by which it can be told whether it is still the same."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from harness.decide.change import changes
from harness.decide.facts import Facts
from harness.decide.rule import Choice
from harness.decide.words import because, caveats, summary
from harness.keys import digest
from harness.prices.book import STALE_DAYS
from harness.terms import Terms


def decided(
    facts: Facts,
    made: Choice,
    terms: Terms,
    doubts: Sequence[str],
    elsewhere: Sequence[str] = (),
    endings: Sequence[tuple[date, str]] = (),
) -> dict[str, Any]:
    """`elsewhere`: question sets on which another arm is better; `endings`: days on which something ends, and what."""
    review = _review(terms, endings)
    warnings = terms.tariff.warnings(terms.as_of) if terms.tariff else ["no prices are known"]
    document = {
        "outcome": made.outcome,
        "choice": made.choice,
        "best": made.best,
        "ties": list(made.ties),
        "summary": [line for line in summary(facts, made, elsewhere, review["date"]) if line],
        "because": list(because(facts, made)),
        "caveats": list(caveats(facts, made, [*elsewhere, *doubts], warnings)),
        "criteria": [
            {"name": limit.name, "limit": limit.value, "unit": limit.unit.strip(), "told": limit.told}
            for limit in facts.criteria.limits()
        ],
        "declared": terms.declared if terms.given else "defaults",
        "arms": [
            {
                "arm": each.arm,
                "meets": not (made.failed or {})[each.arm],
                "fails": list((made.failed or {})[each.arm]),
                "cost_usd": facts.ownership.total(each.arm),
            }
            for each in facts.candidates
        ],
        "front": list(made.front),
        "would_change_if": [
            {"kind": each.kind, "told": each.told, "choice": each.choice} for each in changes(facts, made)
        ],
        "review_by": review,
    }
    return {**document, "sha256": digest({"decision": document, "terms": terms.to_json()})}


def _review(terms: Terms, endings: Sequence[tuple[date, str]]) -> dict[str, str]:
    """The first day on which something it rests on may have changed."""
    reasons = [(terms.as_of + timedelta(STALE_DAYS), "by then the prices are old")]
    if terms.tariff:
        hours = (terms.tariff.gpu_hour, terms.tariff.cpu_hour)
        fresh = [p.seen + timedelta(STALE_DAYS) for p in hours if p and not p.warning(terms.as_of)]
        reasons += [(day, "by then the prices are old") for day in fresh]
    first, why = min([*reasons, *(each for each in endings if each[0] > terms.as_of)])
    return {"date": first.isoformat(), "because": why}
