"""The SDK's client, told everything that it would otherwise take from elsewhere."""

from __future__ import annotations

import os
from importlib import metadata

import httpx2
from google import genai
from google.genai.types import HttpOptions, HttpRetryOptions

from harness.remote.endpoint import Endpoint
from harness.remote.paying import TIMEOUT_S
from harness_vertex.access import Access
from harness_vertex.capabilities import LOCATION, PROJECT
from harness_vertex.chat import VertexChat
from harness_vertex.vectors import VertexVectors

CONNECT_S = 10.0


class VertexClient:
    sdk = f"google-genai {metadata.version('google-genai')}"

    def __init__(self, where: Endpoint, access: Access) -> None:
        self._access = access
        self._transport = httpx2.AsyncClient(follow_redirects=False, timeout=httpx2.Timeout(TIMEOUT_S))
        self._client = genai_client(where, access, self._transport, None)

    def chat(self, model: str) -> VertexChat:
        return VertexChat(self._client.aio.models, model, self._access.redact)

    def vectors(self, model: str) -> VertexVectors:
        return VertexVectors(self._client.aio.models, model, self._access.redact)

    async def close(self) -> None:
        await self._transport.aclose()


def synchronous() -> httpx2.Client:
    return httpx2.Client(follow_redirects=False, timeout=httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S))


def genai_client(
    where: Endpoint, access: Access, asynchronous: httpx2.AsyncClient | None, synchronous: httpx2.Client | None
) -> genai.Client:
    """Without clients of ours the SDK follows redirects, and over aiohttp sends what was dropped a second time."""
    return genai.Client(
        vertexai=True,
        project=os.environ[PROJECT],
        location=os.environ[LOCATION],
        credentials=access.credentials,
        http_options=HttpOptions(
            base_url=where.url,
            api_version="v1",
            timeout=round(TIMEOUT_S * 1000),
            retry_options=HttpRetryOptions(attempts=1),
            httpx_async_client=asynchronous,
            httpx_client=synchronous,
        ),
    )
