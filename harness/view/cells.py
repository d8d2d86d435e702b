"""What each cell of a run used, chose and was measured by, as a page shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

NOTHING = "—"
USED: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "wall_s": ("seconds", lambda value: f"{value:,.2f}"),
    "cpu_s": ("CPU seconds", lambda value: f"{value:,.2f}"),
    "device_s": ("device seconds", lambda value: f"{value:,.2f}"),
    "tokens": ("tokens", lambda value: f"{value:,}"),
    "flops": ("FLOPs", lambda value: f"{value:.3g}"),
    "energy_j": ("joules", lambda value: f"{value:,.0f}"),
    "peak_ram_bytes": ("RAM MB", lambda value: f"{value / 1e6:,.0f}"),
    "peak_device_bytes": ("device MB", lambda value: f"{value / 1e6:,.0f}"),
    "billed": ("billed", lambda value: ", ".join(f"{count:,} {sort}" for sort, count in value.items())),
}
"""Fields of `Usage` as they are told."""


@dataclass(frozen=True, slots=True)
class Phase:
    name: str
    figures: tuple[str, ...]
    """In the order of the cell's `columns`."""


@dataclass(frozen=True, slots=True)
class Measured:
    name: str
    value: str
    """With its interval and unit."""
    n: str
    reason: str


@dataclass(frozen=True, slots=True)
class CellShown:
    arm: str
    seed: int | None
    training: str
    """On what it was trained instead of the task's own training questions; empty for the cells of an arm."""
    status: str
    reason: str | None
    notes: tuple[str, ...]
    settings: tuple[tuple[str, str], ...]
    """Of the arm, then what trials chose."""
    columns: tuple[str, ...]
    phases: tuple[Phase, ...]
    """Without columns of which nothing was metered."""
    measured: tuple[Measured, ...]


def cells_of(report: Mapping[str, Any], planned: Mapping[str, Any], arm: str | None) -> list[CellShown]:
    """Every cell, of one arm if it is named; `planned` is the run as planned."""
    rows = {row["arm"]: row for row in report["table"]}
    settings = {cell["key"]: cell["arm"]["settings"] for cell in planned["cells"]}
    return [
        _cell(cell, settings.get(cell["key"], {}), rows.get(cell["arm"], {}))
        for cell in report["cells"]
        if arm in (None, cell["arm"])
    ]


def _cell(cell: Mapping[str, Any], settings: Mapping[str, Any], row: Mapping[str, Any]) -> CellShown:
    own = not cell["training"]
    trials = (row.get("trials") or ()) if own else ()
    chosen: Mapping[str, Any] = next((each["chosen"] for each in trials if each["seed"] == cell["seed"]), {})
    told = {**settings, **{f"{name} (chosen by trials)": value for name, value in chosen.items()}}
    notes = [*(row.get("notes", ()) if own else ()), *(["answered in an earlier run"] if cell["reused"] else [])]
    columns, phases = _phases(cell["usage"], cell["estimate"])
    measured = [_measured(name, found) for name, found in cell["measurements"].items()]
    return CellShown(
        cell["arm"],
        cell["seed"],
        cell["training"],
        cell["status"],
        cell["reason"],
        tuple(notes),
        tuple((name, str(value)) for name, value in told.items()),
        columns,
        phases,
        tuple(measured),
    )


def _phases(
    usage: Mapping[str, Mapping[str, Any]], estimate: Mapping[str, Any] | None
) -> tuple[tuple[str, ...], tuple[Phase, ...]]:
    found = {name: used for name, used in usage.items() if name != "total"}
    found |= {"in all": usage["total"]} if "total" in usage else {}
    found |= {"estimated": estimate} if estimate else {}
    fields = [name for name in USED if any(used.get(name) is not None for used in found.values())]
    phases = tuple(Phase(name, tuple(_told(used, each) for each in fields)) for name, used in found.items())
    return tuple(USED[name][0] for name in fields), phases if fields else ()


def _told(used: Mapping[str, Any], field: str) -> str:
    value = used.get(field)
    return NOTHING if value is None else USED[field][1](value)


def _measured(name: str, found: Mapping[str, Any]) -> Measured:
    value, low, high = (found[end] for end in ("value", "low", "high"))
    told = NOTHING
    if value is not None:
        known = low is not None and high is not None
        told = f"{_figure(value)}{f' [{_figure(low)}, {_figure(high)}]' if known else ''} {found['unit']}".strip()
    return Measured(name.replace("_", " "), told, _count(found["n"]), found["reason"] or "")


def _count(n: int | None) -> str:
    return NOTHING if n is None else f"{n:,}"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
