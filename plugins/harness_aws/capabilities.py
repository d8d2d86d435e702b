"""What can be known of Bedrock's models without asking it."""

from __future__ import annotations

import os
import re

from harness.keys import digest
from harness.plugin import Capability, Kind, ModelCard, ModelError
from harness.remote.endpoint import Endpoint
from harness_aws.places import endpoint

BUCKET, ROLE = "AWS_HARNESS_BUCKET", "AWS_HARNESS_ROLE_ARN"
TRAINING = {
    BUCKET: re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"),
    ROLE: re.compile(r"arn:aws(-[a-z]+)*:iam::\d{12}:role/.+"),
}
"""What training needs beside a model: the bucket that holds the questions, and the role by which Bedrock reads it."""
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._-]*")
PROFILE = re.compile(r"^(us|us-gov|eu|apac|ap|jp|au|ca|global)\.(?=\w+\.)")
"""How ids begin that stand for a model in several regions."""
EMBEDS = re.compile(r"\bembed|-embeddings?-", re.IGNORECASE)
ANSWERS = frozenset(f"{verb}:{kind}" for verb in ("answer", "read") for kind in Kind)
TUNES = frozenset(f"tune:hosted:{kind}" for kind in Kind)


def describe(model: str) -> ModelCard:
    """A card without sizes; nothing is asked. Another region makes it another model."""
    if not ID.fullmatch(model):
        raise ModelError("that is no model id, profile or ARN of Bedrock")
    where = endpoint()
    family = "embedding" if EMBEDS.search(model) else "chat"
    return ModelCard(model, family, digest([where.url, model]), where.url, None, None, None, None)


def family(model: str) -> str:
    """Who made it and what it is called, such as `amazon.nova-lite-v1:0`, of an id, a profile or an ARN."""
    return PROFILE.sub("", model.rpartition("/")[2])


def embeds(model: str) -> str | None:
    """The form of request that an embedding model takes: `titan` or `cohere`; None for another."""
    forms = {"amazon.titan-embed-": "titan", "cohere.embed-": "cohere"}
    return next((form for start, form in forms.items() if family(model).startswith(start)), None)


def offers(card: ModelCard) -> frozenset[Capability]:
    if card.family == "embedding":
        return frozenset({"embed"}) if embeds(card.id) else frozenset()
    return ANSWERS if lacking() else ANSWERS | TUNES


def lacking() -> str | None:
    """Why nothing can be trained from here."""
    for name, form in TRAINING.items():
        if not form.fullmatch(os.environ.get(name, "")):
            what = "bucket for the training questions" if name == BUCKET else "role by which Bedrock reads that bucket"
            return f"{name} must name the {what}"
    return None


def why_not(card: ModelCard, capability: Capability) -> str:
    if capability == "embed" and card.family == "embedding":
        return "only the requests of Titan's and Cohere's embedding models are known"
    if capability == "embed":
        return "its name is none of an embedding model"
    if card.family == "embedding":
        return "an embedding model makes vectors and answers nothing"
    if capability in TUNES:
        return lacking() or ""
    return "a service trains only as --strategy hosted" if capability.startswith("tune:") else ""


def unready(where: Endpoint) -> str | None:
    """Credentials are looked for when they are first needed: a machine's role can be seen nowhere before."""
    return None
