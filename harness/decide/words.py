"""A decision in plain sentences: what was decided, why, and what a reader must know before relying on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from harness.decide.facts import Facts
from harness.decide.rule import NONE_GOOD, NOTHING, Choice


def summary(facts: Facts, made: Choice, elsewhere: Sequence[str], review_by: str) -> list[str]:
    """Three sentences: the choice, how sure it is, what it costs and until when it holds."""
    if made.outcome == NOTHING:
        return ["No arm was measured, so there is nothing to decide.", "", f"Look again by {review_by}."]
    if made.outcome == NONE_GOOD:
        return [
            "None of these arms meets all criteria.",
            f"The nearest miss is {_nearest(made)}.",
            f"Change the criteria, the data or the arms; look again by {review_by}.",
        ]
    assert made.choice is not None
    chosen = f"Choose {made.choice}: {_accuracy(facts, made.choice)}."
    sure = _sure(facts, made)
    return [chosen, f"{sure}; {elsewhere[0]}." if elsewhere else f"{sure}.", _money(facts, made, review_by)]


def because(facts: Facts, made: Choice) -> Iterator[str]:
    if made.choice is None:
        return
    limits = [limit.told for limit in facts.criteria.limits()]
    if limits:
        met = sum(not failed for failed in (made.failed or {}).values())
        yield f"{met} of {len(facts.candidates)} arms meet what is asked: {', '.join(limits)}"
    else:
        yield "no limits were declared, so every arm may be chosen"
    if made.choice == made.best:
        yield f"{made.choice} is the most accurate of them"
    else:
        found = facts.pair(made.choice, made.best or "")
        apart = ""
        if found is not None:
            apart = f" ({found.value:+.1f} points [{found.low:+.1f}, {found.high:+.1f}], {found.verdict})"
        yield f"{made.best} is the most accurate of them, but ties with {made.choice}{apart}, which costs less"
    for arm, failed in (made.failed or {}).items():
        better = (facts.value(arm, facts.primary) or 0.0) > (facts.value(made.choice, facts.primary) or 0.0)
        if failed and better:
            yield f"{arm} is more accurate but may not be chosen: {'; '.join(failed)}"


def caveats(facts: Facts, made: Choice, doubts: Sequence[str], warnings: Sequence[str]) -> Iterator[str]:
    if made.choice is not None:
        for limit in facts.criteria.limits():
            value, end = facts.value(made.choice, limit.measure), facts.end(made.choice, limit)
            if value is not None and end is not None and not limit.met(end):
                yield f"{limit.told} is met by {value:.3g}, but its interval reaches {end:.3g}"
        for arm in made.ties:
            found = facts.pair(made.choice, arm)
            if found is not None and found.verdict == "not separated":
                more = found.more_questions
                wanted = f"about {more:,} more questions would" if more else "no number of further questions would"
                yield f"{made.choice} and {arm} are not separated ({found.value:+.1f} points); {wanted} separate them"
        if (unknown := facts.ownership.costs[made.choice].unknown) is not None:
            yield f"{made.choice}: {unknown}"
    yield from doubts
    yield from warnings


def _accuracy(facts: Facts, arm: str) -> str:
    found = next(each for each in facts.candidates if each.arm == arm).measured[facts.primary]
    words = facts.primary.replace("_", " ")
    if found["low"] is None or found["high"] is None:
        return f"{words} {found['value']:.1f} %"
    return f"{words} {found['value']:.1f} % [{found['low']:.1f}, {found['high']:.1f}]"


def _sure(facts: Facts, made: Choice) -> str:
    if made.ties:
        few = ", ".join(made.ties[:4]) + (f" and {len(made.ties) - 4} more" if len(made.ties) > 4 else "")
        return f"It is not shown to differ from {few}"
    others = [arm for arm, failed in (made.failed or {}).items() if not failed and arm != made.choice]
    if not others:
        return "No other arm meets the criteria" if len(facts.candidates) > 1 else "No other arm was run"
    return "It is shown to be better than every other arm that meets the criteria"


def _money(facts: Facts, made: Choice, review_by: str) -> str:
    assert made.choice is not None
    total, use = facts.ownership.total(made.choice), facts.criteria
    held = f"look again by {review_by}."
    if total is None:
        return f"What it costs is not known; {held}"
    volume = f"{use.queries_per_month:,.0f} queries a month over {use.horizon_months} months"
    return f"It costs about {_usd(total)} for {volume}; {held}"


def _usd(value: float) -> str:
    return f"{value:,.0f} USD" if value >= 100 else f"{value:.2g} USD"


def _nearest(made: Choice) -> str:
    failed = {arm: each for arm, each in (made.failed or {}).items() if each}
    arm = min(failed, key=lambda each: len(failed[each]))
    return f"{arm}: {'; '.join(failed[arm])}"
