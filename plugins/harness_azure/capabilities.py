"""What can be known of Azure OpenAI without asking it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from harness.errors import UsageError
from harness.plugin import Capability, ModelCard, ModelError
from harness.remote import cards
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint
from harness.remote.service import Notice
from harness_azure.account import account

URL, EXAMPLE = "AZURE_OPENAI_ENDPOINT", "https://NAME.openai.azure.com"
V1 = "/openai/v1"


def endpoint() -> Endpoint:
    """The resource's own URL, with or without the path of the v1 API; raises `UsageError` without one."""
    found = endpoints.endpoint(URL, EXAMPLE, given=True)
    return found if found.url.endswith(V1) else replace(found, url=f"{found.url}{V1}")


def describe(model: str) -> ModelCard:
    """Of a deployment by its name; nothing is asked."""
    if "/" in model:
        raise ModelError("a model of azure is the name of a deployment, without a slash")
    return cards.described(model, endpoint())


def offers(card: ModelCard) -> frozenset[Capability]:
    return cards.offered(card, trains=_no_account() is None)


def why_not(card: ModelCard, capability: Capability) -> str:
    if card.family != cards.EMBEDDING and capability in cards.TRAINS and (told := _no_account()):
        return f"what Azure trains answers only once it is deployed, and {told}"
    return cards.unoffered(card, capability)


def _no_account() -> str | None:
    """Why nothing could be deployed; None: it can."""
    try:
        account(endpoint())
    except UsageError as error:
        return str(error)
    return None


def unready(where: Endpoint) -> str | None:
    """Nothing: without a key it is asked by a login, and only asking for a token shows whether there is one."""
    return None


def notices(card: ModelCard, where: Endpoint, tunes: bool, today: date) -> Sequence[Notice]:
    """None: no date of an end is known here of what Azure serves."""
    return ()
