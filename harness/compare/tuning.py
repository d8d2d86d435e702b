"""What the trials of a run say of its choices: how many each arm had, and what a reader should doubt."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harness.evidence import Evidence

EDGE = 0.05
"""Share of a space's width that counts as its edge."""


def trials(evidence: Evidence) -> list[dict[str, Any]] | None:
    """Of every seed: the settings chosen, their space and all that were tried; None where none were asked for."""
    found = [{"seed": cell.seed, **cell.log["trials"]} for cell in evidence.cells if "trials" in cell.log]
    return found or None


def warnings(arms: Sequence[Evidence]) -> list[str]:
    """Choices on the edge of their space, unequal budgets, and a leader on validation that its second trial is not."""
    told = {arm.arm.name: found for arm in arms if (found := trials(arm))}
    lines = [line for name, seeds in told.items() for line in _edges(name, seeds)]
    finished = {name: min(len(_accuracies(seed)) for seed in seeds) for name, seeds in told.items()}
    if len(set(finished.values())) > 1:
        counts = ", ".join(f"{name} {count}" for name, count in finished.items())
        lines.append(f"trials were not equally many: finished in every seed {counts}")
    return lines + _fragile(told)


def _edges(name: str, seeds: Sequence[Mapping[str, Any]]) -> list[str]:
    found: dict[tuple[str, str], None] = {}
    for seed in seeds:
        for setting, value in seed["chosen"].items():
            if (end := _edge(value, seed["space"][setting])) is not None:
                found[setting, end] = None
    return [f"{name}: the best {setting} lies at the {end} end of what was tried; try beyond" for setting, end in found]


def _edge(value: Any, where: Mapping[str, Any]) -> str | None:
    """`lower` or `upper`, if the value is there and the end could be moved."""
    if where["values"]:
        share = where["values"].index(value) / max(1, len(where["values"]) - 1)
    else:
        low, high, value = ((math.log(n) if where["log"] else n) for n in (where["low"], where["high"], value))
        share = (value - low) / (high - low)
    if share <= EDGE and where["open"][0]:
        return "lower"
    return "upper" if share >= 1 - EDGE and where["open"][1] else None


def _accuracies(seed: Mapping[str, Any]) -> list[float]:
    """On validation, best first."""
    return sorted((t["accuracy"] for t in seed["tried"] if t["accuracy"] is not None), reverse=True)


def _fragile(told: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[str]:
    """If the arm that leads on validation is behind another one by its second-best trial."""
    places = {name: [_mean(seeds, place) for place in (0, 1)] for name, seeds in told.items()}
    if len(places) < 2:
        return []
    leader = max(places, key=lambda name: places[name][0] or 0.0)
    second = places[leader][1]
    ahead = [name for name, (best, _) in places.items() if name != leader and best and second and best > second]
    if not ahead:
        return []
    return [f"{leader} leads on validation by its best trial alone: its second best is behind {', '.join(ahead)}"]


def _mean(seeds: Sequence[Mapping[str, Any]], place: int) -> float | None:
    """Mean over seeds of the best (0) or second-best (1) accuracy; None where a seed has no such trial."""
    found = [_accuracies(seed) for seed in seeds]
    return sum(each[place] for each in found) / len(found) if all(len(each) > place for each in found) else None
