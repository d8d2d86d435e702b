"""What the report decides, in words and tables for any format; nothing where it decides nothing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.plugin import Number
from harness_reports.figures import NOTHING, linkable, ordered
from harness_reports.money import dollars
from harness_reports.tables import Named, Table, in_sentences

RECOMMENDED = "recommended"
NONE_NEEDED = "none"


@dataclass(frozen=True, slots=True)
class Deciding:
    """Sentences in which arms are called as everywhere in the format."""

    outcome: str
    choice: str | None
    arm: str | None
    """The choice by its full name."""
    summary: tuple[str, ...]
    ties: tuple[str, ...]
    because: tuple[str, ...]
    caveats: tuple[str, ...]
    changes: tuple[str, ...]
    criteria: tuple[str, ...]
    declared: str
    review: str | None
    sha256: str

    @property
    def headline(self) -> str:
        return f"{self.choice} is {self.outcome}" if self.outcome == RECOMMENDED and self.choice else self.outcome


def deciding(report: Mapping[str, Any], named: Named) -> Deciding | None:
    found = report.get("decision")
    if not found:
        return None
    told = in_sentences(report, named)

    def all_told(name: str) -> tuple[str, ...]:
        return tuple(map(told, found.get(name) or ()))

    review, choice = found.get("review_by"), found.get("choice")
    return Deciding(
        outcome=str(found["outcome"]),
        choice=None if choice is None else named(choice),
        arm=choice,
        summary=all_told("summary"),
        ties=tuple(map(named, found.get("ties") or ())),
        because=all_told("because"),
        caveats=all_told("caveats"),
        changes=tuple(_change(change, told(change["told"]), named) for change in found.get("would_change_if") or ()),
        criteria=tuple(told(criterion["told"]) for criterion in found.get("criteria") or ()),
        declared=str(found.get("declared") or ""),
        review=None if not review else f"{review['date']}: {told(review['because'])}",
        sha256=str(found.get("sha256") or ""),
    )


def _change(change: Mapping[str, Any], told: str, named: Named) -> str:
    """With what would then be chosen, unless the sentence says it."""
    choice = change.get("choice")
    return told if choice is None or named(choice) in told else f"{told} (then {named(choice)})"


def lines(report: Mapping[str, Any], named: Named) -> list[tuple[str, Sequence[str]]]:
    """Heading and lines for the top of a report that is read as text: what must be known before any table."""
    found = deciding(report, named)
    told = in_sentences(report, named)
    blocks: list[tuple[str, Sequence[str]]] = []
    if found:
        blocks = [
            (f"decision: {found.headline}", found.summary),
            ("not separated from it", [", ".join(found.ties)] if found.ties else ()),
            ("caveats", found.caveats),
            ("would change if", found.changes),
            ("review by", [found.review] if found.review else ()),
        ]
    blocks += [("break-even", [told(line) for line in break_even(report)]), ("budget", budget(report))]
    return [(heading, those) for heading, those in blocks if those]


def break_even(report: Mapping[str, Any]) -> list[str]:
    """At which volume the cheapest arm is another one, or that it never is."""
    told = (report.get("ownership") or {}).get("told")
    return [str(told)] if told else []


def budget(report: Mapping[str, Any]) -> list[str]:
    """How far what was used is from what was estimated."""
    told = (report.get("budget") or {}).get("told") or ()
    return ["; ".join(map(str, told))] if told else []


def tables(report: Mapping[str, Any], named: Named) -> list[Table]:
    """Which arms meet the criteria, at which cost, and which of them nothing cheaper equals."""
    found = report.get("decision")
    if not found or not found.get("arms"):
        return []
    told = in_sentences(report, named)
    judged = {arm["arm"]: arm for arm in found["arms"]}
    order = [arm["arm"] for arm in ordered(report) if arm["arm"] in judged]
    order += [arm for arm in judged if arm not in order]
    rows = []
    for name in order:
        arm = judged[name]
        rows.append(
            [
                named(name),
                "meets all" if arm["meets"] else "fails",
                "; ".join(map(told, arm["fails"])) or NOTHING,
                linkable(dollars(arm["cost_usd"]), Number(name, "ownership")),
                "yes" if name in (found.get("front") or ()) else "no",
            ]
        )
    titles = ["arm", "criteria", "what it fails", "cost of ownership", "on the front"]
    return [("criteria, and which arms meet them", titles, rows)]


def notes(report: Mapping[str, Any], named: Named) -> list[str]:
    """What was asked for and when, and what the front is."""
    found = deciding(report, named)
    if not found:
        return []
    asked = "; ".join(found.criteria) or NONE_NEEDED
    said = [f"criteria ({found.declared}): {asked}" if found.declared else f"criteria: {asked}"]
    if report["decision"].get("arms"):
        said.append("on the front: every arm that costs less is shown to be less accurate")
    return [*said, f"sha256 of the decision: {found.sha256}"] if found.sha256 else said
