"""A stored run's answers in a browser on this machine: server-rendered pages, read from the store page by page."""

from harness.view.server import serve

__all__ = ["serve"]
