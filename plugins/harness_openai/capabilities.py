"""What can be known of a service and its models without asking it."""

from __future__ import annotations

import os

from harness.plugin import Capability, ModelCard
from harness.remote import cards
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint

OWN = "https://api.openai.com/v1"
KEY, URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"


def endpoint() -> Endpoint:
    return endpoints.endpoint(URL, OWN)


def describe(model: str) -> ModelCard:
    return cards.described(model, endpoint())


def offers(card: ModelCard) -> frozenset[Capability]:
    return cards.offered(card, trains=True)


def why_not(card: ModelCard, capability: Capability) -> str:
    return cards.unoffered(card, capability)


def unready(where: Endpoint) -> str | None:
    if os.environ.get(KEY) or where.emulated:
        return None
    return f"{KEY} is not set"
