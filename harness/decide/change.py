"""What would change a decision: found by deciding again under moved criteria, costs, volumes and interval ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from harness.criteria import Limit
from harness.decide.facts import Facts, Pair
from harness.decide.rule import NONE_GOOD, Choice, choose
from harness.ownership import Costs, Ownership, Range

FACTORS = tuple(10 ** (power / 20) for power in range(1, 21))
"""By which costs are multiplied or divided: up to ten times."""
HALVINGS = 20
NUDGE = 1e-9
Scale = Callable[[Costs, float], Costs]


@dataclass(frozen=True, slots=True)
class Change:
    kind: str
    """`criterion`, `price`, `volume` or `interval`."""
    told: str
    choice: str | None
    """None: none is good enough then."""


def changes(facts: Facts, made: Choice) -> list[Change]:
    found = [*_criteria(facts, made), *_costs(facts, made), *_volumes(facts, made), *_intervals(facts, made)]
    return found


def _named(made: Choice) -> str:
    return "none is good enough" if made.outcome == NONE_GOOD else f"{made.choice} is chosen"


def _criteria(facts: Facts, made: Choice) -> Iterator[Change]:
    """For every limit, the nearest one to each side under which something else comes out."""
    for limit in facts.criteria.limits():
        values = [facts.value(each.arm, limit.measure) for each in facts.candidates]
        known = sorted({value for value in values if value is not None})
        for tighter, side in ((True, _tighter(limit, known)), (False, _looser(limit, known))):
            for reached in side:
                moved = _rounded(reached, up=limit.least == tighter)
                other = choose(replace(facts, criteria=facts.criteria.model_copy(update={limit.name: moved})))
                if other.choice != made.choice:
                    told = f"{replace(limit, value=moved).told} (asked: {limit.value:g}{limit.unit})"
                    yield Change("criterion", f"with {told}, {_named(other)}", other.choice)
                    break


def _rounded(value: float, up: bool, figures: int = 3) -> float:
    """To so many figures, on the side on which it still says the same."""
    if value == 0:
        return value
    step = Decimal(1).scaleb(math.floor(math.log10(abs(value))) - figures + 1)
    whole = (Decimal(value) / step).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR)
    return float(whole * step)


def _tighter(limit: Limit, known: Sequence[float]) -> list[float]:
    """Limits just beyond what each arm reaches, nearest first."""
    if limit.least:
        return [value + NUDGE for value in known if value >= limit.value]
    return [value - NUDGE for value in reversed(known) if value <= limit.value]


def _looser(limit: Limit, known: Sequence[float]) -> list[float]:
    """Limits that each arm just meets, nearest first."""
    if limit.least:
        return [value for value in reversed(known) if value < limit.value]
    return [value for value in known if value > limit.value]


def _costs(facts: Facts, made: Choice) -> Iterator[Change]:
    for what, scale in (("training", _training), ("answering", _answering)):
        for dearer, words in ((True, "times as much"), (False, "times less")):
            factor = _least_factor(facts, made, scale, dearer)
            if factor is not None:
                other = _scaled_by(facts, scale, factor, dearer)
                yield Change("price", f"if {what} cost {factor:g} {words}, {_named(other)}", other.choice)


def _least_factor(facts: Facts, made: Choice, scale: Scale, dearer: bool) -> float | None:
    """By how much costs must rise or fall until something else is chosen; None: not by ten times."""
    low = 1.0
    for high in FACTORS:
        if _scaled_by(facts, scale, high, dearer).choice != made.choice:
            for _ in range(HALVINGS):
                middle = math.sqrt(low * high)
                changed = _scaled_by(facts, scale, middle, dearer).choice != made.choice
                low, high = (low, middle) if changed else (middle, high)
            return _rounded(high, up=True, figures=2)
        low = high
    return None


def _scaled_by(facts: Facts, scale: Scale, factor: float, dearer: bool) -> Choice:
    costs = [scale(each, factor if dearer else 1 / factor) for each in facts.ownership.costs.values()]
    return choose(replace(facts, ownership=Ownership(costs, facts.criteria)))


def _training(costs: Costs, factor: float) -> Costs:
    indexing = None if costs.indexing is None else costs.indexing * factor
    return replace(costs, training=_scaled(costs.training, factor), indexing=indexing)


def _answering(costs: Costs, factor: float) -> Costs:
    hour = None if costs.machine_hour is None else costs.machine_hour * factor
    return replace(costs, question=_scaled(costs.question, factor), machine_hour=hour)


def _scaled(found: Range | None, factor: float) -> Range | None:
    return None if found is None else Range(found.value * factor, found.low * factor, found.high * factor)


def _volumes(facts: Facts, made: Choice) -> Iterator[Change]:
    """Where the cheapest of those that cost decides between is another."""
    now = facts.criteria.queries_per_month
    flips = facts.ownership.flips(made.interchangeable)
    above = [flip for flip in flips if flip["queries_per_month"] > now]
    below = [flip for flip in flips if flip["queries_per_month"] <= now]
    for flip, words, arm in [
        *((flip, "from about", flip["cheaper"]) for flip in above[:1]),
        *((flip, "below about", flip["than"]) for flip in below[-1:]),
    ]:
        told = f"{words} {flip['queries_per_month']:,.0f} queries a month (assumed: {now:,.0f}), {arm} is chosen"
        yield Change("volume", told, arm)


def _intervals(facts: Facts, made: Choice) -> Iterator[Change]:
    """If a difference truly is at the end of its interval that favours the other arm."""
    if made.choice is None or made.failed is None:
        return
    for other in made.failed:
        found = facts.pair(made.choice, other) if other != made.choice and not made.failed[other] else None
        if found is None or found.low >= 0:
            continue
        told = f"if {other} truly is {-found.low:.1f} points better (the end of the interval), {{}}"
        again = choose(_moved(facts, made.choice, other, found))
        if again.choice != made.choice:
            yield Change("interval", told.format(_named(again)), again.choice)


def _moved(facts: Facts, choice: str, other: str, found: Pair) -> Facts:
    """The same with these two as far apart as the interval allows, and no doubt about it."""
    moved = facts.value(choice, facts.primary)
    assert moved is not None
    value = moved - found.low
    verdict = "better" if -found.low > facts.margin else "equivalent"
    opposite = {"better": "worse", "equivalent": "equivalent"}

    def pair(a: str, b: str) -> Pair | None:
        if {a, b} != {choice, other}:
            return facts.pair(a, b)
        sign = -1 if a == choice else 1
        away = sign * -found.low
        return Pair(away, away, away, verdict if a == other else opposite[verdict], 0.0, None)

    changed = tuple(
        replace(each, measured={**each.measured, facts.primary: {**each.measured[facts.primary], "value": value}})
        if each.arm == other
        else each
        for each in facts.candidates
    )
    return replace(facts, candidates=changed, pair=pair)
