"""What of the core shapes answers: results are keyed by it, and it must be the same wherever a cell is done."""

from __future__ import annotations

from pathlib import Path

from harness.keys import source_hash

MODULES = (
    *("checks.py", "codec.py", "flops.py", "items.py", "kinds.py", "models.py", "prompts.py", "session.py"),
    *("cell.py", "search.py", "training.py", "worker.py"),
)
"""Modules that shape answers and counts; a change in any other leaves stored results valid."""


def core_hash() -> str:
    return source_hash(Path(__file__).parent, MODULES)
