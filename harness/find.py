"""A task's name or path -> its `task.toml`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.errors import UsageError, unknown
from harness.kinds import shown
from harness.registry import Registry

MAX_NAME = 60


def task_path(registry: Registry, name: str) -> Path:
    if name in registry.tasks.specs:
        return registry.tasks.get(name).path
    folder = _there(name, Path.is_dir)
    if not (folder or name.endswith(".toml") or "/" in name):
        raise UsageError(
            unknown("task", name if len(name) <= MAX_NAME else f"{name[:MAX_NAME]}…", registry.tasks.specs)
        )
    path = Path(name) / "task.toml" if folder else Path(name)
    if not _there(str(path), Path.is_file):
        told = f"no task file at {shown(name)}"
        raise UsageError(f"{told}; give a task.toml, its folder or the name of a bundled task")
    return path


def _there(name: str, test: Callable[[Path], bool]) -> bool:
    """Whether there is such a thing: a name that is too long or a folder closed to us has none either."""
    try:
        return test(Path(name))
    except OSError:
        return False
