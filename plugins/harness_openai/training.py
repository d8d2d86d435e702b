"""Training questions as OpenAI's chat format: the prompt that will be asked, and the reply that is wanted."""

from __future__ import annotations

import json
from collections.abc import Sequence

from harness.estimate import HOSTED_EPOCHS
from harness.plugin import Example, HarnessError
from harness.prompts import CHARS_PER_TOKEN, readable
from harness.remote.orders import HostedRecipe, Order
from harness_openai.chat import prompt, reply

LEAST = 10
"""Fewer examples are refused by the service, after they were sent."""


def order(model: str, train: Sequence[Example], validation: Sequence[Example], recipe: HostedRecipe) -> Order:
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


def most_tokens(ordered: Order) -> int:
    """What it may be charged for: every character of the files in every epoch, rather too many than too few."""
    return 2 * len(ordered.train) // CHARS_PER_TOKEN * (ordered.recipe.epochs or HOSTED_EPOCHS)
