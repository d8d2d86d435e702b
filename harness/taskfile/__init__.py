"""A `task.toml` and its data files -> a checked `Task`."""

from harness.taskfile.loader import load_task

__all__ = ["load_task"]
