"""Training questions in the forms that Bedrock's families take: the prompt that will be asked, the reply wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from harness.plugin import Example, HarnessError
from harness.prompts import readable
from harness.remote.chat import prompt, reply
from harness.remote.orders import HostedRecipe, Jobs, Order
from harness_aws.capabilities import family

MULTIPLIES = "anthropic."
"""The family whose learning rate is given as a multiple of the service's own."""


class BedrockTraining:
    def __init__(self, jobs: Callable[[], Jobs]) -> None:
        self.jobs = jobs

    def order(self, model: str, train: Sequence[Example], validation: Sequence[Example], recipe: HostedRecipe) -> Order:
        """Validation questions stay here: Bedrock would only tell their loss."""
        if recipe.lr_multiplier is not None and not family(model).startswith(MULTIPLIES):
            raise HarnessError(f"{model} takes no multiple of its own learning rate: leave hosted.lr_multiplier out")
        return Order(model, lines(model, train), b"", recipe)


def lines(model: str, examples: Sequence[Example]) -> bytes:
    return b"".join(_line(family(model), example) for example in examples)


def _line(made: str, example: Example) -> bytes:
    question = readable(example.question)
    asked, wanted = prompt(question), reply(question, example.target)
    row: dict[str, Any]
    if made.startswith("amazon.nova"):
        turns = [("user", [{"text": asked}]), ("assistant", [{"text": wanted}])]
        row = {"schemaVersion": "bedrock-conversation-2024", "messages": _messages(turns)}
    elif made.startswith(MULTIPLIES):
        row = {"messages": _messages([("user", asked), ("assistant", wanted)])}
    else:
        row = {"prompt": asked, "completion": wanted}
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def _messages(turns: Sequence[tuple[str, Any]]) -> list[dict[str, Any]]:
    return [{"role": role, "content": content} for role, content in turns]
