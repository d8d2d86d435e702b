"""Where the resource is managed and how it deploys what it has trained: all from the environment, nothing assumed."""

from __future__ import annotations

import os
from dataclasses import dataclass

from harness.errors import UsageError
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint

MANAGEMENT, OWN = "AZURE_MANAGEMENT_ENDPOINT", "https://management.azure.com"
SUBSCRIPTION, GROUP, ACCOUNT = "AZURE_SUBSCRIPTION_ID", "AZURE_RESOURCE_GROUP", "AZURE_OPENAI_ACCOUNT"
HOSTING = "AZURE_OPENAI_HOSTING"


@dataclass(frozen=True, slots=True)
class Account:
    management: Endpoint
    path: str
    """Of the resource."""
    sku: str
    capacity: int


def account(where: Endpoint) -> Account:
    """Raises `UsageError` for what is missing or cannot be."""
    named = {name: os.environ.get(name, "") for name in (SUBSCRIPTION, GROUP, HOSTING)}
    # A resource's host begins with its name, unless it was given another.
    named[ACCOUNT] = os.environ.get(ACCOUNT) or ("" if where.emulated else where.host.split(".")[0])
    missing = [name for name, value in named.items() if not value]
    if missing:
        raise UsageError(f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
    for name in (SUBSCRIPTION, GROUP, ACCOUNT):
        if not all(each.isalnum() or each in "-_.()" for each in named[name]):
            raise UsageError(f"{name} has characters that it cannot have")
    sku, _, capacity = named[HOSTING].partition(":")
    if not sku or not capacity.isdecimal() or not int(capacity):
        raise UsageError(f"{HOSTING} must be a deployment's SKU and capacity, such as standard:50")
    management = endpoints.endpoint(MANAGEMENT, OWN)
    if management.emulated != where.emulated:
        raise UsageError(f"{MANAGEMENT} and AZURE_OPENAI_ENDPOINT must both be this machine, or neither")
    path = (
        f"/subscriptions/{named[SUBSCRIPTION]}/resourceGroups/{named[GROUP]}"
        f"/providers/Microsoft.CognitiveServices/accounts/{named[ACCOUNT]}"
    )
    return Account(management, path, sku, int(capacity))
