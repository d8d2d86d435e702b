"""A TOML file that a user wrote, read whole; every way in which that fails is one line."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from harness.errors import UsageError


def read_toml(path: Path, where: str, may_miss: bool = False) -> dict[str, Any]:
    """Raises `UsageError` that begins with `where`; a file that may miss is empty then."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        if may_miss and isinstance(error, FileNotFoundError):
            return {}
        raise UsageError(f"{where}: cannot be read: {error}") from None
    except RecursionError:
        raise UsageError(f"{where}: not TOML: nested too deeply") from None
    except ValueError as error:  # of tomllib, and of int() for a number of thousands of digits
        raise UsageError(f"{where}: not TOML: {error}") from None
