"""What a cell will cost, from sizes alone: an estimate, and labelled one wherever it is shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.contracts import StrategySpec
from harness.prompts import MAX_TOKENS, PROMPT_TOKENS
from harness.remote.hosting import HOSTING
from harness.remote.hosting import START_S as DEPLOYING_S
from harness.remote.orders import HOSTED_EPOCHS
from harness.remote.purse import tokens as tokens_of
from harness.types import ModelCard, QuestionSet, Task, Usage

CHARS_PER_TOKEN = 4.2
CPU_FLOPS_PER_S = 8e10
"""Where nothing ran here before: two CPU cores without bf16 trained and answered with MiniLM at 60 to 105 GFLOP/s."""
START_S = 3.0
FLOAT_BYTES = 4
OVERHEAD_TOKENS = 40
"""Of a prompt beside the question's own text: marks of the choices, and how to answer."""
ANSWER_TOKENS = 12
ANSWER_S = 0.1
"""Of a service that is asked several questions at once."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Tokens of a task, counted once for all cells."""

    asked: int
    trained: int
    """One epoch."""
    validated: int
    """Once."""
    questions: tuple[int, int, int]
    """How many are asked, trained on and validated on."""
    labels: int
    """Tokens of the choices, where all questions have the same."""
    passage: int
    """Of a document or a training question, whichever is longer on average."""


def sizes(task: Task, sets: Mapping[str, QuestionSet]) -> Sizes:
    trained, validated = ([] if found is None else [found] for found in (task.train, task.validation))
    every: tuple[Collection[QuestionSet], ...] = (sets.values(), trained, validated)
    tokens = [sum(map(_tokens, found)) for found in every]
    counts = [sum(map(len, found)) for found in every]
    documents = sum(len(document.text) for document in task.documents) / CHARS_PER_TOKEN
    passages = [documents / max(1, len(task.documents)), tokens[1] / max(1, counts[1])]
    labels = int(sum(map(len, task.test.rows[0].question.choices)) / CHARS_PER_TOKEN)
    questions = counts[0], counts[1], counts[2]
    return Sizes(tokens[0], tokens[1], tokens[2], questions, labels, int(max(passages)) + 1)


def estimate(
    task: Sizes,
    steps: Sequence[StrategySpec],
    settings: Mapping[str, Any],
    card: ModelCard | None,
    flops_per_s: float,
    trials: int = 0,
    *,
    deployed: bool = False,
    rented: bool = False,
) -> Usage:
    """Seconds, tokens, FLOPs and memory: 2 FLOPs per weight and token forward, 6 for forward and backward.

    Each trial trains once and is validated; then the best is trained. `deployed`: by a service by which what was
    trained answers only while it is deployed; `rented`: the model itself does.
    """
    if card is None:
        return Usage(wall_s=START_S)
    if card.parameters is None or card.embedding_parameters is None:
        return _of_service(task, steps, settings, card, trials, deployed, rented)
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


def _of_service(
    task: Sizes,
    steps: Sequence[StrategySpec],
    settings: Mapping[str, Any],
    card: ModelCard,
    trials: int,
    deployed: bool,
    rented: bool,
) -> Usage:
    """Tokens by how they are priced, rather too many than too few: passages as long as prompts let them be."""
    own: dict[str, dict[str, Any]] = {step.name: {} for step in steps}
    for key, value in settings.items():
        step_name, _, name = key.partition(".")
        own[step_name][name] = value
    reads = [step.reads(own[step.name]) for step in steps]
    asked, trained, validated = task.questions

    def reading(passages: int) -> int:
        return min(passages * task.passage, PROMPT_TOKENS * MAX_TOKENS)

    each = OVERHEAD_TOKENS + task.labels + sum(reading(found.passages) for found in reads)
    tokens, answers = task.asked + asked * each, asked
    for passages in [tried for found in reads for tried in found.tried] + [0] * trials:
        tokens += task.validated + validated * (OVERHEAD_TOKENS + task.labels + reading(passages))
        answers += validated
    if card.family == "embedding":
        billed = {"embedding tokens": tokens + task.trained}
    else:
        billed = {"input tokens": tokens, "output tokens": answers * ANSWER_TOKENS}
    for step in steps:
        if step.role == "weights":
            epochs = own[step.name].get("epochs")
            times = int(epochs) if isinstance(epochs, int) else HOSTED_EPOCHS
            one = task.trained + trained * (OVERHEAD_TOKENS + task.labels + ANSWER_TOKENS)
            billed["training tokens"] = billed.get("training tokens", 0) + times * one
    if rented or (deployed and "training tokens" in billed):
        billed[HOSTING] = round(DEPLOYING_S + answers * ANSWER_S)
    return Usage(wall_s=START_S + answers * ANSWER_S, tokens=tokens_of(billed), billed=billed)


def _tokens(found: QuestionSet) -> int:
    """Tokens of questions and of their choices, where each row brings its own."""
    characters = 0
    first = found.rows[0].question.choices
    for row in found.rows:
        characters += len(row.question.text)
        if row.question.choices != first:
            characters += sum(map(len, row.question.choices))
    return int(characters / CHARS_PER_TOKEN)
