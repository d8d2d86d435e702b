"""Cells that are to be done on hired machines: whether they may be, what that costs, and what their workers are told.

A cell stays what it is, under the same key: only where it is done differs. What runs no model stays here, and so does
what asks a service.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.elsewhere.bundle import MODEL_BYTES, model_files
from harness.errors import HarnessError
from harness.plan import Plan
from harness.planned import Place, PlannedCell, Served
from harness.prices import Price
from harness.prices.book import HOUR
from harness.prices.tokens import rate
from harness.registry import Registry, require
from harness.remote.machines import LIKELY_SETUP_S, MACHINE_SECONDS, SETUP_S
from harness.spending import forbidden, hints, withheld
from harness.types import ModelCard, Status


def offered(registry: Registry) -> list[dict[str, Any]]:
    """Services with machines, and why none can be hired now."""
    rows = []
    for machines in registry.machines:
        try:
            require(machines.name, machines.requires, machines.extra)
            where = machines.endpoint()
            url, problem = where.url, machines.why_not(where)
        except HarnessError as error:
            url, problem = None, str(error)
        rows.append({"name": machines.name, "summary": machines.summary, "endpoint": url, "state": problem or "ready"})
    return rows


def hired(plan: Plan) -> Plan:
    """The plan with what machines are hired for; cells that may not be moved are skipped with the reason."""
    if all(planned.place is None for planned in plan.cells):
        return plan
    personal = [] if plan.request.allow_personal else hints(plan)
    return replace(plan, cells=tuple(_hired(planned, plan, personal) for planned in plan.cells))


def _hired(planned: PlannedCell, plan: Plan, personal: Sequence[str]) -> PlannedCell:
    place, cell = planned.place, planned.cell
    if place is None or cell.status is Status.SKIPPED:
        return planned
    try:
        require(place.name, place.machines.requires, place.machines.extra)
        where = place.machines.endpoint()
        reason = place.machines.why_not(where)
    except HarnessError as error:
        return replace(planned, cell=replace(cell, status=Status.SKIPPED, reason=str(error)))
    price = _price(plan, place)
    rates = {} if price is None else {MACHINE_SECONDS: rate(price)}
    expected = None
    if cell.estimate is not None and cell.estimate.wall_s is not None:
        seconds = min(cell.estimate.wall_s, plan.request.time_limit_s) + LIKELY_SETUP_S
        expected = replace(cell.estimate, billed={MACHINE_SECONDS: round(seconds)})
    usd = price.usd * expected.billed[MACHINE_SECONDS] / 3600 if price and expected and expected.billed else None
    missing = [] if price else [f"an {HOUR} of {place.flavor.name} of {place.machines.name}"]
    found = Served(where.url, where.emulated, place.flavor.name, rates, (price.told,) if price else (), (), usd)
    reason = forbidden(plan, where.url, missing) or reason or _too_large(planned.model)
    if reason is None and personal:
        reason = withheld(personal, where.url)
    cell = replace(cell, estimate=expected)
    if reason is not None:
        cell = replace(cell, status=Status.SKIPPED, reason=reason)
    return replace(planned, cell=cell, hired=found)


def _price(plan: Plan, place: Place) -> Price | None:
    """Of the service's own: another's hour of the same GPU is another price."""
    tariff = plan.terms.tariff
    return tariff.book.price(place.flavor.name, HOUR, place.machines.name) if tariff else None


def _too_large(card: ModelCard | None) -> str | None:
    """A model that has no name is sent with the cell."""
    size = sum(file.stat().st_size for file, _ in model_files(Path(card.id))) if card else 0
    if size <= MODEL_BYTES:
        return None
    return (
        f"the model's folder has {size / 2**20:,.0f} MiB, and {MODEL_BYTES / 2**20:,.0f} are sent at most: put it on "
        "the hub and name it as it is called there"
    )


def elsewhere(planned: PlannedCell, plan: Plan, preload: Sequence[str]) -> dict[str, Any]:
    """What a worker's job is told of the machine that it hires; nothing where the cell is done here."""
    place, hired = planned.place, planned.hired
    if place is None or hired is None:
        return {}
    extras = [planned.backend.extra] if planned.backend else []
    extras += ["trials"] if planned.space else []
    told = {
        "machines": place.machines.name,
        "load": place.machines.load,
        "flavor": place.flavor.name,
        "device": place.flavor.device,
        "gpu": place.flavor.gpu,
        "endpoint": hired.endpoint,
        "emulated": hired.emulated,
        "limit_s": plan.request.time_limit_s,
        "most_s": plan.request.time_limit_s + SETUP_S,
        "extras": sorted({*extras, place.machines.extra} - {""}),
        "preload": list(preload),
    }
    return {"elsewhere": told}
