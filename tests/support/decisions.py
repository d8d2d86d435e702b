"""What a report document says of cost and decision, made up for the arms that it has."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

VOLUMES = tuple(float(f"{volume:.3g}") for volume in np.geomspace(1e2, 1e6, 25))


def decided(report: Mapping[str, Any]) -> dict[str, Any]:
    """The document with what its table lets be owned, spent and decided, all of it made up."""
    report = copy.deepcopy(dict(report))
    names = [arm["arm"] for arm in sorted(report["table"], key=lambda arm: -_accuracy(arm))]
    if not names:
        return report | {"decision": None, "ownership": None, "prices": None, "budget": None}
    choice, ties = names[0], names[1:2]
    flips, cheap = _flips(names)
    report["prices"] = {
        "as_of": "2026-11-26",
        "gpu": {"name": "NVIDIA T4", "peak_flops": 6.5e13, "utilisation": 0.3}
        | {"utilisation_low": 0.15, "utilisation_high": 0.45},
        "used": [
            _price("aws", "us-east-1", "g4dn.xlarge (NVIDIA T4)", "h", 0.526, "2019-09-20"),
            _price("aws", "us-east-1", "m7i.large", "h", 0.1008, "2026-06-01"),
        ],
        "warnings": ["aws us-east-1 g4dn.xlarge is of 2019-09-20, 7 years old; prices may have changed"],
    }
    report["budget"] = {
        "estimated": {"wall_s": 5400.0, "tokens": 2.1e7, "flops": 3.2e15, "usd": 0.021},
        "actual": {"wall_s": 9720.0, "tokens": 2.0e7, "flops": 3.1e15, "usd": 0.02},
        "ratio": {"wall_s": 1.8, "tokens": 0.95, "flops": 0.97, "usd": None},
        "told": ["time 1.8 times the estimate", "tokens 0.95 times"],
    }
    report["ownership"] = {
        "assumptions": [
            {"name": "queries_per_month", "value": 10000, "unit": "", "source": "default"},
            {"name": "months", "value": 12, "unit": "months", "source": "--criteria"},
        ],
        "arms": [_owned(name, place, len(names)) for place, name in enumerate(names)],
        "flips": flips,
        "cheapest": cheap,
        "told": f"At 10,000 queries a month {cheap} is cheapest; the cheapest arm flips {len(flips)} times.",
    }
    report["decision"] = {
        "outcome": "recommended",
        "choice": choice,
        "ties": ties,
        "summary": [
            f"Use {choice}: of all arms that meet the criteria it answers most questions right.",
            f"{', '.join(ties) or 'No other arm'} cannot be told apart from it on these questions.",
            f"At 10,000 queries a month it costs ${_total(0):,.0f} over twelve months.",
        ],
        "because": [
            f"{choice} is better than every arm that costs less, by paired differences corrected for all pairs.",
            "Its largest difference between groups is within the limit of 5 points.",
        ],
        "caveats": ["One training seed: what is said holds for this checkpoint only.", "GPU hours are projected."],
        "criteria": [
            {"name": "least_accuracy", "limit": 80.0, "unit": "%", "told": "accuracy at least 80 %"},
            {"name": "most_group_gap", "limit": 5.0, "unit": "points", "told": "group gap at most 5 points"},
        ],
        "declared": "before the run",
        "arms": [
            {"arm": name, "meets": place < 3, "cost_usd": None if place == len(names) - 1 else _total(place)}
            | {"fails": [] if place < 3 else [f"accuracy {80 - place:.1f} % is below 80 %"]}
            for place, name in enumerate(names)
        ],
        "front": [names[0], names[min(2, len(names) - 1)]],
        "would_change_if": [
            {"kind": "criterion", "told": "accuracy of 75 % were enough", "choice": cheap},
            {"kind": "volume", "told": "fewer than 5,000 queries a month were asked", "choice": cheap},
            {"kind": "interval", "told": f"the interval of {choice} were half as wide", "choice": None},
        ],
        "review_by": {"date": "2027-05-25", "because": "prices are half a year old by then"},
        "sha256": "cd" * 32,
    }
    return report


def _accuracy(arm: Mapping[str, Any]) -> float:
    return float(arm["measurements"].get("accuracy", {}).get("value") or 0.0)


def _price(provider: str, region: str, item: str, unit: str, usd: float, valid_from: str) -> dict[str, Any]:
    found = {"provider": provider, "region": region, "item": item, "unit": unit, "usd": usd}
    return found | {"valid_from": valid_from, "source": f"{provider} price list of {valid_from}"}


def _fixed(place: int) -> float:
    return float(900.0 / (1 + place % 9) ** 1.2)


def _query(place: int) -> float:
    return float(0.0004 * (1 + place) ** 1.1)


def _total(place: int) -> float:
    """Over twelve months at 10,000 queries a month."""
    return _fixed(place) + 12 * 10_000 * _query(place)


def _flips(names: Sequence[str]) -> tuple[list[dict[str, Any]], str]:
    """Where the cheapest of the arms whose cost is known is another one, and which it is at 10,000 queries a month."""
    known = range(max(1, len(names) - 1))

    def cheapest(volume: float) -> int:
        return min(known, key=lambda place: _fixed(place) + 12 * volume * _query(place))

    pairs = [(at, cheapest(before), cheapest(at)) for before, at in itertools.pairwise(VOLUMES)]
    flips = [
        {"queries_per_month": at, "low": 0.6 * at, "high": 2 * at, "cheaper": names[now], "than": names[then]}
        for at, then, now in pairs
        if now != then
    ]
    return flips[-2:], names[cheapest(1e4)]


def _owned(arm: str, place: int, count: int) -> dict[str, Any]:
    """The last of several arms has no known cost."""
    if count > 1 and place == count - 1:
        unknown = {"value": None, "low": None, "high": None}
        found = dict.fromkeys(("total_usd", "per_query_usd", "fixed_usd"), unknown)
        return {"arm": arm, **found, "parts": {}, "reason": "no price for what it ran on", "curve": []}
    fixed, query = _fixed(place), _query(place)
    curve = [[volume, total := fixed + 12 * volume * query, 0.8 * total, 1.3 * total] for volume in VOLUMES]
    total = _total(place)
    parts = {"training": 0.1 * fixed, "retraining": 0.5 * fixed, "hosting": 0.4 * fixed, "answering": total - fixed}
    sums = {"total_usd": total, "per_query_usd": query, "fixed_usd": fixed}
    ranges = {name: {"value": usd, "low": 0.8 * usd, "high": 1.3 * usd} for name, usd in sums.items()}
    return {"arm": arm, **ranges, "parts": parts, "reason": None, "curve": curve}
