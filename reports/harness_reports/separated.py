"""One CSV line per arm, question set and measure; text cells can never be formulas."""

import csv
import io
from collections.abc import Mapping
from typing import Any

from harness.safetext import csv_cell

NAMES = ("arm", "strategy", "backend", "model")
FIGURES = ("value", "low", "high", "n", "unit", "better", "basis", "reason", "spread", "p")


def render(report: Mapping[str, Any]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*NAMES, "set", "measure", *FIGURES])
    for arm in report["table"]:
        for asked, measurements in {"test": arm["measurements"], **arm["tests"], **arm.get("suites", {})}.items():
            for measure, found in measurements.items():
                cells = [*(arm[name] for name in NAMES), asked, measure, *(found[name] for name in FIGURES)]
                writer.writerow([csv_cell(cell) if isinstance(cell, str) else cell for cell in cells])
    return out.getvalue()
