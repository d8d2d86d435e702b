"""What a machine is hired for, its GPU, if it has one, and its cores; and all that is kept of where a run was made."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness import gpus

LIBRARIES = ("torch", "transformers", "peft", "bitsandbytes", "tensorflow", "keras", "faiss-cpu", "numpy")
"""Their versions are kept with a run."""


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


@functools.cache
def _versions() -> Mapping[str, str]:
    from importlib import metadata

    found = {}
    for name in ("adapt-harness", *LIBRARIES):
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[name] = metadata.version(name)
    return found


def environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "system": platform.system(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "gpus": gpus.names(),
        "versions": dict(_versions()),
    }
