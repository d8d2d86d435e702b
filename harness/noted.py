"""What a report says of an arm that a service answered, or whose machine did it: whether it was the service itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from harness.evidence import Evidence
from harness.remote.machines import ELSEWHERE
from harness.remote.repositories import PULLED
from harness.types import Basis, Measurement


def emulated(evidence: Evidence, found: Measurement) -> Measurement:
    """Figures of a stand-in are no figures of the service."""
    by = evidence.served or evidence.hired
    if by is None or not by["emulated"] or found.value is None:
        return found
    return replace(found, basis=Basis.EMULATED)


def service_notes(evidence: Evidence) -> list[str]:
    if evidence.served is None:
        found = [_hired(cell.log[ELSEWHERE]) for cell in evidence.cells if ELSEWHERE in cell.log]
        found += [_pulled(cell.log[PULLED]) for cell in evidence.cells if PULLED in cell.log]
        return list(dict.fromkeys(found))
    where = evidence.served["endpoint"]
    by = f"emulated: answered by a stand-in at {where}, not by the service" if evidence.served["emulated"] else ""
    told = [found for cell in evidence.cells for found in cell.log.get("service", {}).get("notes", ())]
    return list(
        dict.fromkeys([by or f"answered by {where}", *(notice["told"] for notice in evidence.served["notices"]), *told])
    )


def _pulled(where: str) -> str:
    return f"trained elsewhere and pulled from {where}: the seconds and memory of its training are of that machine"


def _hired(told: Mapping[str, Any]) -> str:
    where = f"{told['machines']}:{told['flavor']} ({told['gpu'] or 'no GPU'})"
    by = f"emulated: done by a stand-in at {told['endpoint']} for" if told["emulated"] else "done on a hired"
    return f"{by} {where}: its seconds, memory and money are of that machine"
