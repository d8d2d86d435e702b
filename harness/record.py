"""What a run keeps of its plan, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from harness.command import command
from harness.plan import Plan
from harness.quality import serious_at_once
from harness.spending import leaving, recorded
from harness.trainings import described


def run_record(plan: Plan, environment: Mapping[str, Any]) -> dict[str, Any]:
    request = plan.request
    return {
        "task": {"name": plan.task.name, "fingerprint": plan.task.fingerprint},
        "licence": plan.task.licence,
        "environment": environment,
        "terms": plan.terms.to_json(),
        "command": command(request),
        "findings": [asdict(found) for found in serious_at_once(plan.task)],
        "seeds": list(request.seeds),
        "unasked": dict(plan.unasked),
        "sizes": described(plan.task, request.sizes),
        "controls": list(request.controls),
        "leaving": [asdict(each) for each in leaving(plan)],
        "cells": [
            {
                "key": planned.cell.key,
                "arm": asdict(planned.cell.arm),
                "seed": planned.cell.seed,
                "seeded": planned.cell.seed is not None,
                "trained": planned.trains,
                "training": planned.training,
                "untrained": planned.untrained,
                "status": planned.cell.status,
                "reason": planned.cell.reason,
                "estimate": asdict(planned.cell.estimate) if planned.cell.estimate else None,
                "assets": [asset.key for asset in planned.assets],
                "control": any(asset.is_control for asset in planned.assets),
                "model": asdict(planned.model) if planned.model else None,
                "device": planned.device,
                "served": recorded(planned.served),
                "hired": recorded(planned.hired),
            }
            for planned in plan.cells
        ],
    }
