"""What can be known of Hugging Face's models without asking for them."""

from __future__ import annotations

import os
import re

from harness.plugin import Capability, ModelCard, ModelError
from harness.remote import cards
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint
from harness.safetext import one_line

OWN = "https://router.huggingface.co"
KEY, URL = "HF_TOKEN", "HF_INFERENCE_ENDPOINT"
PREFIX = "hf_"
"""How tokens of Hugging Face begin; with others the SDK would ask providers themselves."""


def endpoint() -> Endpoint:
    return endpoints.endpoint(URL, OWN)


def describe(model: str) -> ModelCard:
    """No URL: where texts go, the environment says."""
    if not re.fullmatch(r"\w[\w.-]*(/\w[\w.-]*)?(:[\w.-]+)?", model):
        raise ModelError(f"{one_line(model)} is no name of a model such as ORG/NAME or ORG/NAME:PROVIDER")
    return cards.described(model, endpoint())


def offers(card: ModelCard) -> frozenset[Capability]:
    return cards.offered(card, trains=False)


def why_not(card: ModelCard, capability: Capability) -> str:
    if capability.startswith("tune:hosted") and card.family != cards.EMBEDDING:
        return "Hugging Face's providers train no models: --on huggingface:FLAVOR hires machines that do"
    return cards.unoffered(card, capability)


def unready(where: Endpoint) -> str | None:
    token = os.environ.get(KEY, "")
    if where.url == OWN and token and not token.startswith(PREFIX):
        return f"{KEY} holds no token of Hugging Face"
    return None if token or where.emulated else f"{KEY} is not set"
