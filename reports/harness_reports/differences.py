"""What the report says of differences between arms, in words and figures for any format."""

from collections.abc import Mapping
from typing import Any

from harness.naming import strategy_of
from harness.plugin import Number
from harness_reports.figures import NOTHING, linkable, ordered
from harness_reports.tables import Named, Table

WORDS = {"better": "better", "worse": "worse", "equivalent": "equal", "not separated": "tie"}
LEAST_SHOWN = 0.005
Pair = Mapping[str, Any]


def tables(report: Mapping[str, Any], named: Named = str) -> list[Table]:
    """Of every question set: each arm against its base and against the best, and the same on other backends."""
    found = []
    pairs = report["comparisons"] or ()
    for name in dict.fromkeys(pair["set"] for pair in pairs):
        of_set = {(pair["a"], pair["b"]): pair for pair in pairs if pair["set"] == name}
        best = report["selection"][name]["best"]
        rows = []
        for arm in ordered(report):
            base = next((b for a, b in of_set if a == arm["arm"] and b.startswith("base@") and b != best), None)
            cells = [_cell(of_set, arm["arm"], base), _cell(of_set, arm["arm"], best)]
            if set(cells) - {NOTHING}:
                rows.append([named(arm["arm"]), *cells])
        titles = ["arm", "less its base", f"less {named(best)}"]
        if all(row[1] == NOTHING for row in rows):
            titles, rows = [titles[0], titles[2]], [[row[0], row[2]] for row in rows]
        found.append((f"differences on {name}", titles, rows))
        found += [table for table in [_across_backends(name, of_set, named)] if table[2]]
    return found


def _cell(pairs: Mapping[tuple[str, str], Pair], arm: str, other: str | None) -> str:
    if other is None or arm == other:
        return NOTHING
    pair = pairs.get((arm, other))
    if pair is None and (other, arm) in pairs:
        pair = _turned(pairs[other, arm])
    return NOTHING if pair is None else linkable(told(pair), Number(arm, "difference", pair["set"], less=other))


def _turned(pair: Pair) -> Pair:
    verdict = {"better": "worse", "worse": "better"}.get(pair["verdict"], pair["verdict"])
    return {**pair, "difference": -pair["difference"], "low": -pair["high"], "high": -pair["low"], "verdict": verdict}


def told(pair: Pair) -> str:
    """`+28.1 [23.1, 32.8] better`"""
    return f"{pair['difference']:+.1f} [{pair['low']:.1f}, {pair['high']:.1f}] {WORDS[pair['verdict']]}"


def notes(report: Mapping[str, Any], named: Named = str) -> list[str]:
    """How to read them, which arm is best and how sure that is."""
    pairs = report["comparisons"]
    if not pairs:
        return []
    return [
        "differences in points with 95 % intervals, p corrected for all pairs (Holm); tie: not separated; equal: "
        f"within {pairs[0]['margin']:g} points (two one-sided tests)",
        *(_selected(name, found, named) for name, found in report["selection"].items()),
    ]


def _selected(name: str, selection: Mapping[str, Any], named: Named) -> str:
    chances = sorted(selection["p_best"].items(), key=lambda found: -found[1])
    shown = ", ".join(f"{named(arm)} {100 * p:.0f} %" for arm, p in chances if p >= LEAST_SHOWN)
    return (
        f"best on {name}: {named(selection['best'])} at {selection['value']:.1f} %, {selection['corrected']:.1f} "
        f"corrected for having been chosen by it; chance to be best: {shown}"
    )


def _across_backends(name: str, pairs: Mapping[tuple[str, str], Pair], named: Named) -> Table:
    """How far one strategy differs between two backends."""
    rows = [
        [named(a), named(b), linkable(told(pair), Number(a, "difference", name, less=b))]
        for (a, b), pair in pairs.items()
        if strategy_of(a) == strategy_of(b)
    ]
    return f"the same on another backend, on {name}", ["arm", "on the other", "less it"], rows
