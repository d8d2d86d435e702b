"""The rule: of the arms that meet the criteria the most accurate, unless what ties with it closely costs less.

An arm gives way to a cheaper one only where the two are equivalent, or not separated and less than the margin apart as
observed: cost breaks ties, it does not excuse a difference that was merely not proven.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.compare.pairs import ALIKE
from harness.decide.facts import Facts

RECOMMENDED, NONE_GOOD, NOTHING = "recommended", "none is good enough", "nothing to decide"


@dataclass(frozen=True, slots=True)
class Choice:
    outcome: str
    choice: str | None = None
    best: str | None = None
    """The most accurate of those that meet the criteria."""
    ties: tuple[str, ...] = ()
    """Those that meet the criteria and are not separated from the best, the choice left out."""
    interchangeable: tuple[str, ...] = ()
    """The best and those that cost alone decides between."""
    failed: Mapping[str, Sequence[str]] | None = None
    """Of every arm, the criteria that it does not meet."""
    front: tuple[str, ...] = ()
    """Arms than which every cheaper one is shown to be less accurate, cheapest first."""


def choose(facts: Facts) -> Choice:
    scored = [each for each in facts.candidates if facts.value(each.arm, facts.primary) is not None]
    failed = {each.arm: facts.failures(each) for each in facts.candidates}
    if not scored:
        return Choice(NOTHING, failed=failed)
    eligible = [each.arm for each in scored if not failed[each.arm]]
    front = _front(facts, [each.arm for each in scored])
    if not eligible:
        return Choice(NONE_GOOD, failed=failed, front=front)
    best = max(eligible, key=lambda arm: (_accurate(facts, arm), -_cost(facts, arm)))
    ties = [arm for arm in eligible if arm != best and _verdict(facts, arm, best) in ALIKE]
    close = [best, *(arm for arm in ties if _close(facts, arm, best))]
    choice = min(close, key=lambda arm: (_cost(facts, arm), -_accurate(facts, arm)))
    others = tuple(arm for arm in [best, *ties] if arm != choice)
    return Choice(RECOMMENDED, choice, best, others, tuple(close), failed, front)


def _accurate(facts: Facts, arm: str) -> float:
    return facts.value(arm, facts.primary) or 0.0


def _cost(facts: Facts, arm: str) -> float:
    """What is not known ranks last."""
    total = facts.ownership.total(arm)
    return float("inf") if total is None else total


def _verdict(facts: Facts, arm: str, other: str) -> str:
    """Arms that were not compared (too few questions) are not separated."""
    found = facts.pair(arm, other)
    return "not separated" if found is None else found.verdict


def _close(facts: Facts, arm: str, best: str) -> bool:
    if _verdict(facts, arm, best) == "equivalent":
        return True
    return _accurate(facts, best) - _accurate(facts, arm) < facts.margin


def _front(facts: Facts, arms: Sequence[str]) -> tuple[str, ...]:
    known = sorted((arm for arm in arms if facts.ownership.total(arm) is not None), key=lambda arm: _cost(facts, arm))
    kept: list[str] = []
    for arm in known:
        if all(_verdict(facts, arm, cheaper) == "better" for cheaper in kept):
            kept.append(arm)
    return tuple(kept)
