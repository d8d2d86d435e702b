"""What a run was estimated to take, beside what it took: of the cells that it ran itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.machine import Machine
from harness.prices import Tariff
from harness.prices.tokens import at_rates

FIGURES = {"wall_s": "time", "tokens": "tokens", "flops": "FLOPs", "usd": "money"}


@dataclass(frozen=True, slots=True)
class Spent:
    """Of one cell, both sides as `Usage` has them."""

    estimate: Mapping[str, Any]
    actual: Mapping[str, Any]
    device: str
    rates: Mapping[str, float] | None = None
    """US dollars for a million of each sort, such as tokens, where a service charges for them."""
    is_here: bool = True
    """Whether it held this machine, which costs money too."""


def budget(cells: Iterable[Spent], tariff: Tariff | None, environment: Mapping[str, Any]) -> dict[str, Any]:
    """Sums over the cells of which both sides are known; a figure that no cell has is None."""
    machine = Machine.of(environment)
    pairs: dict[str, list[tuple[float, float]]] = {name: [] for name in FIGURES}
    for cell in cells:
        sides = [dict(cell.estimate), dict(cell.actual)]
        for side in sides:
            side["usd"] = None
            if tariff is not None and (wall_s := side.get("wall_s")) is not None:
                side["usd"] = tariff.machine_usd(wall_s, cell.device, machine) if cell.is_here else 0.0
            if cell.rates is not None:
                paid = at_rates(side.get("billed"), cell.rates)
                side["usd"] = None if paid is None or side["usd"] is None else side["usd"] + paid
        for name, found in pairs.items():
            expected, taken = sides[0].get(name), sides[1].get(name)
            if expected is not None and taken is not None:
                found.append((expected, taken))
    estimated = {name: _sum(each[0] for each in found) for name, found in pairs.items()}
    actual = {name: _sum(each[1] for each in found) for name, found in pairs.items()}
    ratio = {name: _ratio(actual[name], estimated[name]) for name in FIGURES}
    told = [f"{words} {times:.2g} times the estimate" for name, words in FIGURES.items() if (times := ratio[name])]
    return {"estimated": estimated, "actual": actual, "ratio": ratio, "told": told}


def _ratio(actual: float | None, estimated: float | None) -> float | None:
    return None if actual is None or not estimated else actual / estimated


def _sum(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) if found else None
