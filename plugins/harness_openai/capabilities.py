"""What can be known of a service and its models without asking it."""

from __future__ import annotations

import os
import re

from harness.keys import digest
from harness.plugin import Capability, Kind, ModelCard, ModelError
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint

OWN = "https://api.openai.com/v1"
KEY, URL = "OPENAI_API_KEY", "OPENAI_BASE_URL"
EMBEDS = re.compile(r"embed|minilm|(^|[/-])(bge|e5|gte)-", re.IGNORECASE)
"""Names of models that make vectors and cannot chat, as far as names tell."""
CHAT = frozenset(f"{verb}:{kind}" for verb in ("answer", "read", "tune:hosted") for kind in Kind)


def endpoint() -> Endpoint:
    return endpoints.endpoint(URL, OWN)


def describe(model: str) -> ModelCard:
    """A card without sizes; nothing is asked. Another endpoint makes it another model."""
    if not model.strip() or not model.isprintable():
        raise ModelError("the name of a service's model is empty or cannot be printed")
    where = endpoint()
    family = "embedding" if EMBEDS.search(model) else "chat"
    return ModelCard(model, family, digest([where.url, model]), where.url, None, None, None, None)


def offers(card: ModelCard) -> frozenset[Capability]:
    return frozenset({"embed"}) if card.family == "embedding" else CHAT


def why_not(card: ModelCard, capability: Capability) -> str:
    if capability == "embed":
        return "its name is none of an embedding model"
    if card.family == "embedding":
        return "an embedding model makes vectors and answers nothing"
    return "a service trains only as --strategy hosted" if capability.startswith("tune:") else ""


def unready(where: Endpoint) -> str | None:
    if os.environ.get(KEY) or where.emulated:
        return None
    return f"{KEY} is not set"
