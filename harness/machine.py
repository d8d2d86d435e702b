"""What a machine is hired for: its GPU, if it has one, and its cores."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import gpus


@dataclass(frozen=True, slots=True)
class Machine:
    gpu: str | None
    """As its driver calls it; the first, where there are several."""
    cores: int

    @classmethod
    def here(cls) -> Machine:
        return cls.of({"gpus": gpus.names(), "cores": os.cpu_count()})

    @classmethod
    def of(cls, environment: Mapping[str, Any]) -> Machine:
        """That of a run, by its record; runs of before tell no GPUs."""
        return cls(next(iter(environment.get("gpus", ())), None), environment["cores"] or 1)
