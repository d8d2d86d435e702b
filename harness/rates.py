"""How fast models ran on this machine before: what a store knows of it, for estimates of what comes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from harness.errors import StoreError
from harness.remote.machines import ELSEWHERE
from harness.store import FILE, Store
from harness.types import Status

LEAST_FLOPS = 1e10
"""Cells that did less say more of how long it takes to begin."""
LATEST = 50
"""Runs that are looked at."""


def seen_rates(root: Path) -> Mapping[str, float]:
    """Backend -> FLOPs a second over whole cells, the median of those in the store.

    Empty where there is no store, or none that can be read: whoever needs it for more than an estimate will say so.
    """
    try:
        if not (root / FILE).exists():
            return {}
        store = Store(root, to_read=True)
    except (OSError, StoreError):
        return {}
    try:
        return _medians(store)
    except StoreError:
        return {}
    finally:
        store.close()


def _medians(store: Store) -> dict[str, float]:
    rates = defaultdict(list)
    for run in list(store.records("run"))[-LATEST:]:
        for planned in run.body["cells"]:
            done = store.latest("cell", planned["key"], run=run.key)
            if done is None or done.body["status"] != Status.DONE:
                continue
            if ELSEWHERE in done.body["log"]:  # another machine's
                continue
            flops, seconds = (done.body["usage"]["total"][name] for name in ("flops", "wall_s"))
            if flops and seconds and flops > LEAST_FLOPS:
                rates[planned["arm"]["backend"]].append(flops / seconds)
    return {backend: median(found) for backend, found in rates.items()}
