"""What the tests of all backends share."""

from __future__ import annotations

import pytest

from harness.taskfile import load_task
from harness.testing import tiny_task
from harness.types import Example, examples


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, ...]:
    """The training rows of the tiny task."""
    task = load_task(tiny_task(tmp_path_factory.mktemp("task")))
    assert task.train is not None
    return examples(task.train.rows)
