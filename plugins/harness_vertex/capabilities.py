"""What can be known of Vertex AI and its models without asking it."""

from __future__ import annotations

import os
import re

from harness.errors import UsageError
from harness.plugin import Capability, ModelCard, ModelError
from harness.remote import cards
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint
from harness.safetext import one_line

URL, STORAGE_URL = "VERTEX_BASE_URL", "VERTEX_STORAGE_URL"
PROJECT, LOCATION, BUCKET = "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION", "VERTEX_BUCKET"
HOST = "aiplatform.googleapis.com"
STORAGE = "https://storage.googleapis.com"
MULTI_REGIONS = ("us", "eu")
TUNED = "projects/"
"""How the name of an endpoint begins, at which a trained model answers."""


def endpoint() -> Endpoint:
    location = os.environ.get(LOCATION, "")
    if not re.fullmatch(r"[a-z0-9-]*", location):
        raise UsageError(f"{LOCATION} must be a location such as europe-west4")
    if location in ("", "global"):
        return endpoints.endpoint(URL, f"https://{HOST}")
    if location in MULTI_REGIONS:
        return endpoints.endpoint(URL, f"https://aiplatform.{location}.rep.googleapis.com")
    return endpoints.endpoint(URL, f"https://{location}-{HOST}")


def storage() -> Endpoint:
    """Of training files; a stand-in of the service is one of its storage too, so that nothing of a trial leaves."""
    where = endpoint()
    return endpoints.endpoint(STORAGE_URL, where.url if where.emulated else STORAGE)


def describe(model: str) -> ModelCard:
    if not re.fullmatch(r"[\w@/-]+(\.[\w@/-]+)*", model):
        raise ModelError(f"{one_line(model)} is no name of a model of Vertex AI")
    return cards.described(model, endpoint())


def offers(card: ModelCard) -> frozenset[Capability]:
    return cards.offered(card, trains=not _no_training(card))


def why_not(card: ModelCard, capability: Capability) -> str:
    if capability.startswith("tune:hosted") and card.family != cards.EMBEDDING:
        return _no_training(card)
    return cards.unoffered(card, capability)


def _no_training(card: ModelCard) -> str:
    if card.id.startswith(TUNED):
        return "what was trained is not trained further"
    return "" if os.environ.get(BUCKET) else f"{BUCKET} names no bucket of Cloud Storage for the training questions"


def unready(where: Endpoint) -> str | None:
    missing = [name for name in (PROJECT, LOCATION) if not os.environ.get(name)]
    return f"{' and '.join(missing)} not set" if missing else None
