"""Training questions as OpenAI's chat format: the prompt that will be asked, and the reply that is wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

from harness.plugin import Example, HarnessError
from harness.prompts import readable
from harness.remote.chat import prompt, reply
from harness.remote.orders import HostedRecipe, Jobs, Order

LEAST = 10
"""Fewer examples are refused by the service, after they were sent."""


class ChatTraining:
    def __init__(self, jobs: Callable[[], Jobs]) -> None:
        self.jobs = jobs

    def order(self, model: str, train: Sequence[Example], validation: Sequence[Example], recipe: HostedRecipe) -> Order:
        if len(train) < LEAST:
            raise HarnessError(f"a service trains on {LEAST} questions at least, and these are {len(train)}")
        return Order(model, lines(train), lines(validation), recipe)


def lines(examples: Sequence[Example]) -> bytes:
    return b"".join(_line(example) for example in examples)


def _line(example: Example) -> bytes:
    question = readable(example.question)
    asked = {"role": "user", "content": prompt(question)}
    wanted = {"role": "assistant", "content": reply(question, example.target)}
    return json.dumps({"messages": [asked, wanted]}, ensure_ascii=False).encode() + b"\n"
