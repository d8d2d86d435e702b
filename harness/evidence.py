"""What measures read: a snapshot of the task, answers, logs and usage of one arm, from the store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """One arm's evidence; to be filled from the store."""
