"""Models of a service, as far as their names tell: nothing is asked."""

from __future__ import annotations

import re

from harness.errors import ModelError
from harness.keys import digest
from harness.remote.endpoint import Endpoint
from harness.types import Kind, ModelCard

EMBEDDING = "embedding"
EMBEDS = re.compile(r"embed|minilm|(^|[/-])(bge|e5|gte)-", re.IGNORECASE)
"""Names of models that make vectors and cannot chat."""
ANSWERS = frozenset(f"{verb}:{kind}" for verb in ("answer", "read") for kind in Kind)
TRAINS = frozenset(f"tune:hosted:{kind}" for kind in Kind)


def described(model: str, where: Endpoint) -> ModelCard:
    """A card without sizes. Another endpoint makes it another model."""
    if not model.strip() or not model.isprintable():
        raise ModelError("the name of a service's model is empty or cannot be printed")
    family = EMBEDDING if EMBEDS.search(model) else "chat"
    return ModelCard(model, family, digest([where.url, model]), where.url, None, None, None, None)


def offered(card: ModelCard, *, trains: bool) -> frozenset[str]:
    if card.family == EMBEDDING:
        return frozenset({"embed"})
    return ANSWERS | TRAINS if trains else ANSWERS


def unoffered(card: ModelCard, capability: str) -> str:
    """Why `offered` lacks it; empty where its absence speaks for itself."""
    if capability == "embed":
        return "its name is none of an embedding model"
    if card.family == EMBEDDING:
        return "an embedding model makes vectors and answers nothing"
    return "a service trains only as --strategy hosted" if capability.startswith("tune:") else ""
