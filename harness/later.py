"""What is named as `module:function` is imported when it is first needed: specs stay light, workers do the work."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any


def resolve(path: str) -> Callable[..., Any]:
    """`module:function` -> the function."""
    module, _, name = path.partition(":")
    found = getattr(importlib.import_module(module), name)
    if not callable(found):
        raise TypeError(f"{path} is not callable")
    return found  # type: ignore[no-any-return]


def later(path: str) -> Callable[..., Any]:
    """`module:function` -> a function that imports it when it is called, for a spec's fields that are functions."""

    def call(*arguments: Any) -> Any:
        return resolve(path)(*arguments)

    return call
