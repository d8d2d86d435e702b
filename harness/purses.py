"""The purses of a run's cells as its parent sees them: where they lie, what was spent, what may be."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.later import resolve
from harness.plan import Plan
from harness.planned import PlannedCell
from harness.prices.tokens import at_rates
from harness.remote.hosting import Hosting, is_up
from harness.remote.machines import MACHINE_SECONDS, SETUP_S
from harness.remote.purse import Purse, read_ledger
from harness.store import Store

FOLDER = "paid"


class Purses:
    def __init__(self, store: Store, plan: Plan) -> None:
        self._folder, self._fresh = store.root.resolve() / FOLDER, plan.request.fresh
        self._limit_s = plan.request.time_limit_s
        self._emptied: set[str] = set()
        self._known: dict[str, float] = {}

    def spent(self, planned: PlannedCell) -> float:
        """US dollars that a cell cost before, in this run or others: the cap is on all of it."""
        if planned.paid is None:
            return 0.0
        self._known[planned.cell.key] = self._now(planned)
        return self._known[planned.cell.key]

    def expected_usd(self, planned: PlannedCell) -> float:
        """What it may still cost: its estimate, less what was paid."""
        if planned.paid is None or planned.paid.usd is None:
            return 0.0
        return max(0.0, planned.paid.usd - self._paid(planned))

    def most_usd(self, planned: PlannedCell) -> float:
        """What must be left to hire a machine for it, for as long as that may run; 0 where it hires none."""
        if planned.hired is None:
            return 0.0
        billed = {MACHINE_SECONDS: math.ceil(self._limit_s + SETUP_S)}
        return max(0.0, (at_rates(billed, planned.hired.rates) or 0.0) - self._paid(planned))

    def _paid(self, planned: PlannedCell) -> float:
        return 0.0 if self._is_to_empty(planned) else self._now(planned)

    def begin(self, planned: PlannedCell, left_usd: float) -> dict[str, Any]:
        """What the cell's job is told of money; `left_usd` comes on top of what it spent before."""
        if planned.paid is None:
            return {}
        if self._is_to_empty(planned):
            self.tear_down(planned)
            self._put_aside(planned)
        paid = self._now(planned)
        spending = {"file": str(self._file(planned)), "rates": dict(planned.paid.rates), "most_usd": paid + left_usd}
        return {"spending": spending, "secrets": list(planned.secrets)}

    def tear_down(self, planned: PlannedCell) -> str | None:
        """Remove what a cell has left deployed, whatever ended its process; what to say where that fails."""
        service = planned.backend.service if planned.backend else None
        if planned.served is None or service is None or not service.deployments:
            return None
        file = self._file(planned)
        hosting = read_ledger(file).hosting
        if hosting is None or not is_up(hosting):
            return None
        purse = Purse(file, planned.served.rates, 0.0)
        try:
            if Hosting(resolve(service.deployments)(), purse).stop():
                return None
        except HarnessError:
            """Told below: what is there goes on costing money."""
        finally:
            purse.close()
        return f"deployment {hosting['label']} could not be removed and may cost money: harness remote orphans --cancel"

    def end(self, planned: PlannedCell) -> float:
        """What it spent since it was last asked for."""
        if planned.paid is None:
            return 0.0
        before, now = self._known.get(planned.cell.key, 0.0), self._now(planned)
        self._known[planned.cell.key] = now
        return now - before

    def _now(self, planned: PlannedCell) -> float:
        return read_ledger(self._file(planned)).spent_usd

    def _file(self, planned: PlannedCell) -> Path:
        return self._folder / f"{planned.cell.key}.jsonl"

    def _is_to_empty(self, planned: PlannedCell) -> bool:
        return self._fresh and planned.cell.key not in self._emptied

    def _put_aside(self, planned: PlannedCell) -> None:
        """`--fresh` pays for everything again, once; what was paid before is kept under another name."""
        self._emptied.add(planned.cell.key)
        file = self._file(planned)
        if file.exists():
            free = (file.with_suffix(f".{number}.old") for number in itertools.count(1))
            file.rename(next(path for path in free if not path.exists()))
        self._known[planned.cell.key] = 0.0
