"""Adapt a pre-trained model every way there is, compare honestly, decide."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.api import Run, run

__version__ = "0.1.0"
__all__ = ["Run", "run"]


def __getattr__(name: str) -> Any:
    """`harness.run` without making `harness --help` or a plugin's import pay for it."""
    if name in __all__:
        from harness import api

        return getattr(api, name)
    raise AttributeError(f"module 'harness' has no attribute {name!r}")
