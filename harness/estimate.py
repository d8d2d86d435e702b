"""What a cell will cost, from sizes alone: an estimate, and labelled one wherever it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.contracts import StrategySpec
from harness.types import ModelCard, QuestionSet, Task, Usage

CHARS_PER_TOKEN = 4.2
CPU_FLOPS_PER_S = 8e10
"""Where nothing ran here before: two CPU cores without bf16 trained and answered with MiniLM at 60 to 105 GFLOP/s."""
START_S = 3.0
FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of a task, counted once for all cells."""

    asked: int
    trained: int
    """One epoch."""
    validated: int
    """Once."""


def sizes(task: Task, sets: Mapping[str, QuestionSet]) -> Sizes:
    known = [0 if found is None else _tokens(found) for found in (task.train, task.validation)]
    return Sizes(sum(map(_tokens, sets.values())), *known)


def estimate(
    task: Sizes,
    steps: Sequence[StrategySpec],
    settings: Mapping[str, Any],
    card: ModelCard | None,
    flops_per_s: float,
    trials: int = 0,
) -> Usage:
    """Seconds, tokens, FLOPs and memory: 2 FLOPs per weight and token forward, 6 for forward and backward.

    Each trial trains once and is validated; then the best is trained.
    """
    if card is None:
        return Usage(wall_s=START_S)
    weights = card.parameters - card.embedding_parameters
    tokens = task.asked + trials * task.validated
    flops = 2.0 * weights * tokens
    memory = card.parameters * FLOAT_BYTES
    for step in steps:
        if step.role == "weights" and task.trained:
            trained = task.trained * int(settings.get(f"{step.name}.epochs", 1)) * (trials + 1)
            tokens += trained
            flops += 6.0 * weights * trained
            memory += 3 * card.parameters * FLOAT_BYTES
    return Usage(wall_s=START_S + flops / flops_per_s, tokens=tokens, flops=flops, peak_ram_bytes=memory)


def _tokens(found: QuestionSet) -> int:
    """Tokens of questions and of their choices, where each row brings its own."""
    characters = 0
    first = found.rows[0].question.choices
    for row in found.rows:
        characters += len(row.question.text)
        if row.question.choices != first:
            characters += sum(map(len, row.question.choices))
    return int(characters / CHARS_PER_TOKEN)
