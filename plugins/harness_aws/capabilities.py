"""What can be known of Bedrock's models without asking it."""

from __future__ import annotations

import os
import re

from harness.plugin import Capability, ModelCard, ModelError
from harness.remote import cards
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


def describe(model: str) -> ModelCard:
    """A card without sizes; nothing is asked. Another region makes it another model."""
    if not ID.fullmatch(model):
        raise ModelError("that is no model id, profile or ARN of Bedrock")
    return cards.described(model, endpoint())


def family(model: str) -> str:
    """Who made it and what it is called, such as `amazon.nova-lite-v1:0`, of an id, a profile or an ARN."""
    return PROFILE.sub("", model.rpartition("/")[2])


def embeds(model: str) -> str | None:
    """The form of request that an embedding model takes: `titan` or `cohere`; None for another."""
    forms = {"amazon.titan-embed-": "titan", "cohere.embed-": "cohere"}
    return next((form for start, form in forms.items() if family(model).startswith(start)), None)


def offers(card: ModelCard) -> frozenset[Capability]:
    if card.family == cards.EMBEDDING and not embeds(card.id):
        return frozenset()
    return cards.offered(card, trains=not lacking())


def lacking() -> str | None:
    """Why nothing can be trained from here."""
    for name, form in TRAINING.items():
        if not form.fullmatch(os.environ.get(name, "")):
            what = "bucket for the training questions" if name == BUCKET else "role by which Bedrock reads that bucket"
            return f"{name} must name the {what}"
    return None


def why_not(card: ModelCard, capability: Capability) -> str:
    if card.family == cards.EMBEDDING and capability == "embed":
        return "only the requests of Titan's and Cohere's embedding models are known"
    if card.family != cards.EMBEDDING and capability in cards.TRAINS:
        return lacking() or ""
    return cards.unoffered(card, capability)


def unready(where: Endpoint) -> str | None:
    """Credentials are looked for when they are first needed: a machine's role can be seen nowhere before."""
    return None
