"""What the tests of all backends share."""

from __future__ import annotations

import pytest

from harness.taskfile import load_task
from harness.testing import tiny_task
from harness.types import Example, examples


@pytest.fixture
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between what a service is asked are those that it asks for, and no more."""
    from tenacity import wait_none

    import harness.remote.faults
    import harness.remote.paying

    monkeypatch.setattr(harness.remote.paying, "_JITTER", wait_none())
    monkeypatch.setattr(harness.remote.faults, "RETRY_S", 0.01)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, ...]:
    """The training rows of the tiny task."""
    task = load_task(tiny_task(tmp_path_factory.mktemp("task")))
    assert task.train is not None
    return examples(task.train.rows)
