"""What a report says of an arm that a service answered: whether it was the service itself, and what its maker says."""

from __future__ import annotations

from dataclasses import replace

from harness.evidence import Evidence
from harness.types import Basis, Measurement


def emulated(evidence: Evidence, found: Measurement) -> Measurement:
    """Figures of a stand-in are no figures of the service."""
    if evidence.served is None or not evidence.served["emulated"] or found.value is None:
        return found
    return replace(found, basis=Basis.EMULATED)


def service_notes(evidence: Evidence) -> list[str]:
    if evidence.served is None:
        return []
    where = evidence.served["endpoint"]
    by = f"emulated: answered by a stand-in at {where}, not by the service" if evidence.served["emulated"] else ""
    told = [found for cell in evidence.cells for found in cell.log.get("service", {}).get("notes", ())]
    return list(
        dict.fromkeys([by or f"answered by {where}", *(notice["told"] for notice in evidence.served["notices"]), *told])
    )
