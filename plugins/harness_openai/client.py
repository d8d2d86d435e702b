"""The SDK's clients, told everything that they would otherwise take from elsewhere."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from importlib import metadata
from typing import Any

import openai

from harness.remote.endpoint import Endpoint
from harness.remote.paying import TIMEOUT_S
from harness.remote.redaction import Redactor
from harness_openai.capabilities import KEY
from harness_openai.chat import OpenAIChat
from harness_openai.vectors import OpenAIVectors


class OpenAIClient:
    sdk = f"openai {metadata.version('openai')}"

    def __init__(self, client: openai.AsyncOpenAI, redact: Redactor) -> None:
        self._client, self._redact = client, redact

    def chat(self, model: str) -> OpenAIChat:
        return OpenAIChat(self._client, model, self._redact)

    def vectors(self, model: str) -> OpenAIVectors:
        return OpenAIVectors(self._client, model, self._redact)

    async def close(self) -> None:
        await self._client.close()


def _options(where: Endpoint) -> dict[str, Any]:
    return {
        "base_url": where.url,
        "max_retries": 0,
        "timeout": openai.Timeout(TIMEOUT_S, connect=10.0),
    }


def _key() -> str:
    return os.environ.get(KEY) or "none"


def asynchronous(where: Endpoint, key: str | Callable[[], Awaitable[str]] | None = None) -> openai.AsyncOpenAI:
    """`key`: of a service that has another one, or what returns it for every request."""
    return openai.AsyncOpenAI(
        api_key=key or _key(),
        **_options(where),
        http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=TIMEOUT_S),
    )


def synchronous(where: Endpoint, key: str | Callable[[], str] | None = None) -> openai.OpenAI:
    return openai.OpenAI(
        api_key=key or _key(),
        **_options(where),
        http_client=openai.DefaultHttpxClient(follow_redirects=False, timeout=TIMEOUT_S),
    )
