"""What can be known of SageMaker's endpoints without asking them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date

from harness.plugin import Capability, ModelCard, ModelError
from harness.remote import cards
from harness.remote.endpoint import Endpoint
from harness.remote.service import Notice
from harness_aws import places

NAME = r"[A-Za-z0-9](?:-*[A-Za-z0-9]){0,62}"
HIRED = re.compile(rf"model/({NAME})@(ml\.[a-z0-9-]+\.[a-z0-9-]+)")
"""A model that SageMaker has, and the kind of machine that is rented to run it."""


def endpoint() -> Endpoint:
    return places.endpoint(places.SAGEMAKER)


def describe(model: str) -> ModelCard:
    """A card without sizes; nothing is asked. Another region makes it another model."""
    if not (re.fullmatch(NAME, model) or hired(model)):
        raise ModelError("that is no endpoint of SageMaker, and no model/NAME@ml.TYPE.SIZE to rent one for")
    return cards.described(model, endpoint())


def hired(model: str) -> tuple[str, str] | None:
    """The model's name and the machine's; None for an endpoint that runs already."""
    found = HIRED.fullmatch(model)
    return (found[1], found[2]) if found else None


def instance(model: str) -> str | None:
    """The machine alone, whose hour is the price."""
    found = hired(model)
    return found[1] if found else None


def offers(card: ModelCard) -> frozenset[Capability]:
    return cards.offered(card, trains=False)


def why_not(card: ModelCard, capability: Capability) -> str:
    if capability.startswith("tune:hosted") and card.family != cards.EMBEDDING:
        return "an endpoint answers and trains nothing"
    return cards.unoffered(card, capability)


def notices(card: ModelCard, where: Endpoint, tunes: bool, today: date) -> Sequence[Notice]:
    machine = instance(card.id)
    if machine is None:
        return (
            Notice(
                f"endpoint {card.id} is charged by the hour as long as it exists, asked or not, which is in no figure "
                "here: its tokens cost what prices say of them"
            ),
        )
    return (
        Notice(
            f"an endpoint on {machine} is rented for each cell that asks {card.id} and removed when the cell ends; "
            "SageMaker removes none that is still starting"
        ),
    )
