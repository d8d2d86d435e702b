"""Training questions as Vertex AI's format for chat: the prompt that will be asked, and the reply that is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from harness.plugin import Example, HarnessError
from harness.prompts import readable
from harness.remote.chat import prompt, reply
from harness.remote.orders import HostedRecipe, Jobs, Order


class VertexTraining:
    def __init__(self, jobs: Callable[[], Jobs]) -> None:
        self.jobs = jobs

    def order(self, model: str, train: Sequence[Example], validation: Sequence[Example], recipe: HostedRecipe) -> Order:
        """The seed is not sent: Vertex AI takes none."""
        if recipe.batch_size is not None:
            raise HarnessError("Vertex AI chooses the size of its batches itself: leave batch_size out")
        return Order(model, lines(train), lines(validation), recipe)


def lines(examples: Sequence[Example]) -> bytes:
    return b"".join(_line(example) for example in examples)


def _line(example: Example) -> bytes:
    question = readable(example.question)
    asked = {"role": "user", "parts": [{"text": prompt(question)}]}
    wanted = {"role": "model", "parts": [{"text": reply(question, example.target)}]}
    return json.dumps({"contents": [asked, wanted]}, ensure_ascii=False).encode() + b"\n"
