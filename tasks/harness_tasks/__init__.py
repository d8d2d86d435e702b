"""The tasks that come with the harness."""

from collections.abc import Iterable
from pathlib import Path

from harness.plugin import TaskSpec, hookimpl

HERE = Path(__file__).parent


@hookimpl
def harness_tasks() -> Iterable[TaskSpec]:
    return [
        TaskSpec(
            "legal-qa",
            "multiple choice over real, citable law, with a corpus to retrieve from",
            HERE / "legal_qa" / "task.toml",
        )
    ]
