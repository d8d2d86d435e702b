"""A `task.toml` and its data files -> a checked `Task`."""

from harness.taskfile.loader import load_task, read_rows

__all__ = ["load_task", "read_rows"]
