"""A task's name or path -> its `task.toml`."""

from __future__ import annotations

from pathlib import Path

from harness.errors import UsageError, unknown
from harness.registry import Registry


def task_path(registry: Registry, name: str) -> Path:
    if name not in registry.tasks.specs and (name.endswith(".toml") or "/" in name or Path(name).is_dir()):
        path = Path(name) / "task.toml" if Path(name).is_dir() else Path(name)
        if not path.is_file():
            raise UsageError(f"no task file at {name!r}; give a task.toml, its folder or the name of a bundled task")
        return path
    if name not in registry.tasks.specs:
        raise UsageError(unknown("task", name, registry.tasks.specs))
    return registry.tasks.get(name).path
