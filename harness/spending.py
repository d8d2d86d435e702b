"""What would leave this machine, how much, where to and at what price; what may not is planned as skipped.

Services charge by the token, some by the hour too, and are sent texts. A cell that asks one runs only if that was
allowed, a cap is set, every price is known, and nothing in the texts looks like personal data or that was allowed too.
So does one that hires a machine (see `hiring`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from typing import Any

from harness.errors import HarnessError
from harness.plan import Plan
from harness.planned import PlannedCell, Served
from harness.prices import Price, PriceBook
from harness.prices.tokens import at_rates, rate, token_price, unpriced
from harness.quality import personal
from harness.remote.hosting import HOSTING
from harness.remote.machines import MACHINE_SECONDS
from harness.types import Status


@dataclass(frozen=True, slots=True)
class Leaving:
    """What the cells of one run send to one endpoint."""

    endpoint: str
    emulated: bool
    arms: tuple[str, ...]
    sets: Mapping[str, int]
    """Question set -> its questions; `train` and `validation` where they are trained on or chosen by."""
    documents: int
    """Of which passages may be sent."""
    tokens: Mapping[str, int]
    usd: float
    prices: tuple[str, ...]
    notices: tuple[str, ...]
    machine: str = ""
    """That is hired for each of the cells."""
    cells: int = 0
    """How many."""

    @property
    def told(self) -> str:
        questions = ", ".join(f"{name} {count:,}" for name, count in self.sets.items())
        if self.machine:
            hours = self.tokens.get(MACHINE_SECONDS, 0) / 3600
            return (
                f"hires {self.machine} at {self._whom} for each of {self.cells} cells, about {hours:.2g} hours, "
                f"{self.usd:.2g} USD, and sends to it: questions of {questions}; {self.documents:,} documents; what "
                "was retrieved for them"
            )
        documents = f" and passages of {self.documents:,} documents" if self.documents else ""
        tokens = ", ".join(
            f"{count / 3600:.2g} hours of hosting" if name == HOSTING else f"{count:,} {name}"
            for name, count in self.tokens.items()
            if count
        )
        return f"sends to {self._whom}: questions of {questions}{documents}; about {tokens}, {self.usd:.2g} USD"

    @property
    def _whom(self) -> str:
        return f"{self.endpoint} (this machine: emulated)" if self.emulated else self.endpoint


def gated(plan: Plan, today: date) -> Plan:
    """The plan with what services are told and charge; cells that may not ask one are skipped with the reason."""
    if all(planned.backend is None or planned.backend.service is None for planned in plan.cells):
        return plan
    personal_hints: list[str] | None = None
    cells = []
    for planned in plan.cells:
        found, reason = _served(planned, plan, today)
        if found is not None and reason is None and not plan.request.allow_personal:
            personal_hints = hints(plan) if personal_hints is None else personal_hints
            if personal_hints:
                reason = withheld(personal_hints, found.endpoint)
        cell = planned.cell if reason is None else replace(planned.cell, status=Status.SKIPPED, reason=reason)
        cells.append(replace(planned, cell=cell, served=found))
    return replace(plan, cells=tuple(cells))


def withheld(personal_hints: Sequence[str], url: str) -> str:
    """Why texts that look like personal data are not sent there."""
    return f"{'; '.join(personal_hints)}: nothing is sent to {url} unless --allow-personal says so"


def _served(planned: PlannedCell, plan: Plan, today: date) -> tuple[Served | None, str | None]:
    """By whom it is answered, and why it may not be."""
    service = planned.backend.service if planned.backend else None
    if planned.cell.status is Status.SKIPPED or service is None or planned.model is None:
        return None, planned.cell.reason
    try:
        where = service.endpoint()
    except HarnessError as error:
        return None, str(error)
    expected = (planned.cell.estimate.billed if planned.cell.estimate else None) or {}
    rented = service.rented(planned.model.id)
    item = rented or (service.tuned(planned.model.id) if planned.tunes else planned.model.id)
    free = [name for name in expected if rented and name != HOSTING]
    book = plan.terms.tariff.book if plan.terms.tariff else PriceBook()
    prices, missing = _prices(book, item, planned.model.id, [name for name in expected if name not in free])
    rates = {**dict.fromkeys(free, 0.0), **{name: rate(price) for name, price in prices.items()}}
    found = Served(
        where.url,
        where.emulated,
        item,
        rates,
        tuple(price.told for price in prices.values()),
        tuple(service.notices(planned.model, where, planned.tunes, today)),
        at_rates(expected, rates),
        rented is not None,
    )
    return found, forbidden(plan, where.url, missing) or service.why_not(where)


def forbidden(plan: Plan, url: str, missing: Sequence[str]) -> str | None:
    request = plan.request
    if not request.allow_spend or request.max_cost_usd is None:
        return f"would send texts to {url}, which may charge for it: allow it with --allow-spend and --max-cost USD"
    if missing:
        return f"no price is known of {' and '.join(missing)}, so --max-cost cannot hold: give it with --prices"
    return None


def _prices(book: PriceBook, item: str, base: str, sorts: Iterable[str]) -> tuple[dict[str, Price], tuple[str, ...]]:
    """Sort of token -> its price, and what has none; training is priced by the model that it starts from."""
    found, missing = {}, []
    for name in sorts:
        price = token_price(book, base, item, name)
        if price is None:
            missing.append(unpriced(name, base, item))
        else:
            found[name] = price
    return found, tuple(missing)


def hints(plan: Plan) -> list[str]:
    """Of all texts that any cell may send, those of suites too."""
    task = plan.task
    texts = replace(task, extra_tests={**task.extra_tests, **task.suites})
    return [found.told for found in personal.findings(texts) if found.count]


def leaving(plan: Plan) -> list[Leaving]:
    """One for each endpoint that planned cells would ask, and one for each at which they would hire machines."""
    by_endpoint: dict[tuple[str, str], list[PlannedCell]] = {}
    for planned in plan.cells:
        if planned.paid is not None and planned.cell.status is Status.PLANNED:
            place = planned.place.name if planned.place else ""
            by_endpoint.setdefault((planned.paid.endpoint, place), []).append(planned)
    return [_leaving(plan, found, place) for (_, place), found in by_endpoint.items()]


def _leaving(plan: Plan, cells: Sequence[PlannedCell], place: str) -> Leaving:
    """A machine is sent all that a cell is given here: no answers to what it is asked, but all documents."""
    served = [planned.paid for planned in cells if planned.paid is not None]
    sets: dict[str, int] = {}
    for planned in cells:
        sets.update({name: len(found) for name, found in plan.asked(planned).items()})
        if place or any(step.needs_training or step.role == "context" for step in planned.steps):
            sets.update({name: len(found) for name in ("train", "validation") if (found := getattr(plan.task, name))})
    tokens: Counter[str] = Counter()
    for planned in cells:
        tokens.update((planned.cell.estimate.billed if planned.cell.estimate else None) or {})
    reads = bool(place) or any(step.needs_documents for planned in cells for step in planned.steps)
    documents = len(plan.task.documents) if reads else 0
    return Leaving(
        served[0].endpoint,
        served[0].emulated,
        tuple(dict.fromkeys(planned.name for planned in cells)),
        sets,
        documents,
        dict(tokens),
        sum(each.usd or 0.0 for each in served),
        _unique(each.prices for each in served),
        _unique([notice.told for notice in each.notices] for each in served),
        place,
        len(cells),
    )


def _unique(texts: Iterable[Sequence[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text for each in texts for text in each))


def recorded(served: Served | None) -> dict[str, Any] | None:
    """As a run's record has it."""
    if served is None:
        return None
    notices = [{"told": each.told, "ends": each.ends.isoformat() if each.ends else None} for each in served.notices]
    return {**asdict(served), "prices": list(served.prices), "notices": notices}
