"""For plugin authors: a backend without a model, a tiny task, and the tests that every plugin of ours passes.

Inherit a kit and say what is tested; pytest collects the rest::

    class TestMine(BackendKit):
        spec = next(iter(my_plugin.harness_backends()))

`FakeBackend` answers by word overlap and learns by remembering which words went with which choice, so training
really changes its answers and every strategy can be tried in milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from harness.testing.fake import (
    FAKE_CAPABILITIES,
    FakeBackend,
    FakePlugin,
    FakeSession,
    fake_backend,
    fake_card,
    fake_spec,
)
from harness.testing.tiny import tiny_task

if TYPE_CHECKING:
    from harness.testing.backends import BackendKit
    from harness.testing.measures import MeasureKit
    from harness.testing.reporters import ReporterKit
    from harness.testing.strategies import StrategyKit
    from harness.testing.tasks import TaskKit

__all__ = [
    "FAKE_CAPABILITIES",
    "BackendKit",
    "FakeBackend",
    "FakePlugin",
    "FakeSession",
    "MeasureKit",
    "ReporterKit",
    "StrategyKit",
    "TaskKit",
    "fake_backend",
    "fake_card",
    "fake_spec",
    "tiny_task",
]

_KITS = {
    "BackendKit": "backends",
    "MeasureKit": "measures",
    "ReporterKit": "reporters",
    "StrategyKit": "strategies",
    "TaskKit": "tasks",
}


def __getattr__(name: str) -> Any:
    """Kits need pytest, which the workers that open a fake backend do without."""
    if name not in _KITS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_KITS[name]}"), name)
