"""Price lists as TOML: `[[price]]` and `[[accelerator]]`, every fault told with its place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

from harness.contracts import PriceList
from harness.errors import UsageError
from harness.prices.book import Accelerator, Price, PriceBook
from harness.toml import read_toml

TEXTS = ("provider", "region", "item", "unit", "source")
MOST = 1e9
SHARES = ("utilisation_low", "utilisation", "utilisation_high")


def read_book(lists: Iterable[PriceList], own: Path | None = None) -> PriceBook:
    """What plugins bring and the user's own file; raises `UsageError` for a file that cannot be used."""
    prices, accelerators = [], dict[str, Accelerator]()
    for path, mine in [*((each.path, False) for each in lists), *([(own, True)] if own else [])]:
        for kind, where, entry in _entries(path):
            if kind == "price":
                prices.append(replace(_price(entry, where), own=mine))
            else:
                found = _accelerator(entry, where)
                accelerators[found.name] = found
    return PriceBook(tuple(prices), tuple(accelerators.values()))


def _entries(path: Path) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for kind, entries in read_toml(path, f"price list {path}").items():
        if kind not in ("price", "accelerator") or not isinstance(entries, list):
            raise UsageError(f"price list {path}: {kind!r} is neither [[price]] nor [[accelerator]]")
        for number, entry in enumerate(entries, 1):
            where = f"price list {path}: [[{kind}]] {number}"
            if not isinstance(entry, dict):
                raise UsageError(f"{where}: must be a table")
            yield kind, where, entry


def _price(entry: Mapping[str, Any], where: str) -> Price:
    values = _known(entry, where, required=(*TEXTS, "usd", "valid_from"), optional=("machine", "checked"))
    for name in (*TEXTS, "machine"):
        _text(values, name, where)
    values["usd"] = _number(values, "usd", where, 0.0)
    for name in ("valid_from", "checked"):
        values[name] = _date(values[name], name, where) if name in values else None
    return Price(**values)


def _accelerator(entry: Mapping[str, Any], where: str) -> Accelerator:
    required = ("name", "peak_tflops", "memory_gb", *SHARES, "source")
    values = _known(entry, where, required=required, optional=("also",))
    for name in ("name", "source"):
        _text(values, name, where)
    shares = [_number(values, name, where, 0.001, 1.0) for name in SHARES]
    if sorted(shares) != shares:
        raise UsageError(f"{where}: {', '.join(SHARES)} must not fall")
    low, typical, high = shares
    return Accelerator(
        values["name"],
        _number(values, "peak_tflops", where, 0.001) * 1e12,
        _number(values, "memory_gb", where, 0.001) * 1e9,
        low,
        typical,
        high,
        values["source"],
        tuple(map(str, values.get("also", ()))),
    )


def _known(
    entry: Mapping[str, Any], where: str, required: tuple[str, ...], optional: tuple[str, ...]
) -> dict[str, Any]:
    missing = [name for name in required if name not in entry]
    strange = [name for name in entry if name not in required + optional]
    if missing or strange:
        what = f"lacks {', '.join(missing)}" if missing else f"has {', '.join(strange)}, which it cannot have"
        raise UsageError(f"{where}: {what}")
    return dict(entry)


def _text(values: Mapping[str, Any], name: str, where: str) -> None:
    if not isinstance(values.get(name, ""), str) or (values.get(name) == "" and name != "machine"):
        raise UsageError(f"{where}: {name} must be a text")


def _number(values: Mapping[str, Any], name: str, where: str, least: float, most: float = MOST) -> float:
    value = values[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise UsageError(f"{where}: {name} {value!r} must be a number from {least:g} to {most:g}")
    return float(value)


def _date(value: Any, name: str, where: str) -> str:
    try:
        return (value if isinstance(value, date) else date.fromisoformat(value)).isoformat()[:10]
    except (TypeError, ValueError):
        raise UsageError(f"{where}: {name} {value!r} must be a date such as 2026-11-26") from None
