"""A key, or tokens of a login: asked for where a request needs one, never kept in a file and never shown."""

from __future__ import annotations

import asyncio
import functools
import os
from collections.abc import Awaitable, Callable

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.identity import DefaultAzureCredential, get_bearer_token_provider

from harness.remote.faults import RETRY_S, Refused
from harness.remote.redaction import Redactor, learn
from harness.safetext import one_line
from harness_azure import SECRETS

KEY = "AZURE_OPENAI_API_KEY"
ASKING = "https://cognitiveservices.azure.com/.default"
"""What a token is for that asks models."""
TOLD_CHARS = 300


@functools.cache
def _login() -> DefaultAzureCredential:
    return DefaultAzureCredential(exclude_interactive_browser_credential=True)


def token(scope: str) -> Callable[[], str]:
    """What returns a token that holds now; it raises `Refused` where there is no login."""
    provide = get_bearer_token_provider(_login(), scope)

    def given() -> str:
        try:
            found = provide()
        except ClientAuthenticationError as error:
            raise Refused(_told(error)) from None
        except AzureError as error:
            raise Refused(_told(error), RETRY_S) from None
        learn(found, "TOKEN")
        return found

    return given


def _told(error: AzureError) -> str:
    return Redactor(SECRETS)(one_line(f"no token of Azure was to be had: {error}"))[:TOLD_CHARS]


def key() -> str | Callable[[], str]:
    return os.environ.get(KEY) or token(ASKING)


def key_later() -> str | Callable[[], Awaitable[str]]:
    """The same for an event loop, which a login must not hold up."""
    found = key()
    if isinstance(found, str):
        return found

    async def given() -> str:
        return await asyncio.to_thread(found)

    return given
