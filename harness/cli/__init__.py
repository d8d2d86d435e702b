"""The command line: parsing and printing only."""

from harness.cli.main import main

__all__ = ["main"]
