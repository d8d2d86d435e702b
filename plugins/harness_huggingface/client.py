"""The SDK's client, told everything that it would otherwise take from elsewhere."""

from __future__ import annotations

import os
from importlib import metadata

import httpx2
from huggingface_hub import AsyncInferenceClient, set_async_client_factory

from harness.remote.endpoint import Endpoint
from harness.remote.faults import of_status
from harness.remote.paying import TIMEOUT_S
from harness.remote.redaction import Redactor
from harness_huggingface.capabilities import KEY, OWN
from harness_huggingface.chat import HuggingFaceChat
from harness_huggingface.vectors import HuggingFaceVectors

CONNECT_S = 10.0
NO_TOKEN = "none"
"""Sent where none is set: without one the SDK would send what `hf auth login` has kept."""


class HuggingFaceClient:
    sdk = f"huggingface_hub {metadata.version('huggingface_hub')}"

    def __init__(self, where: Endpoint) -> None:
        set_async_client_factory(transport)
        self._where, self._redact = where, Redactor((KEY,))
        token = os.environ.get(KEY) or NO_TOKEN
        self._vectors = AsyncInferenceClient(provider="hf-inference", token=token, timeout=TIMEOUT_S)
        if where.url == OWN:
            self._chat = AsyncInferenceClient(provider="auto", token=token, timeout=TIMEOUT_S)
        else:
            self._chat = AsyncInferenceClient(base_url=where.url, token=token, timeout=TIMEOUT_S)

    def chat(self, model: str) -> HuggingFaceChat:
        return HuggingFaceChat(self._chat, model, self._redact)

    def vectors(self, model: str) -> HuggingFaceVectors:
        return HuggingFaceVectors(self._vectors, self._where, model, self._redact)

    async def close(self) -> None:
        await self._chat.close()  # type: ignore[no-untyped-call]
        await self._vectors.close()  # type: ignore[no-untyped-call]


def transport() -> httpx2.AsyncClient:
    """The SDK's own follows redirects, and takes one that is not followed for an answer."""
    timeout = httpx2.Timeout(TIMEOUT_S, connect=CONNECT_S)
    return httpx2.AsyncClient(follow_redirects=False, timeout=timeout, event_hooks={"response": [_no_redirect]})


async def _no_redirect(response: httpx2.Response) -> None:
    if response.is_redirect:
        raise of_status(response.status_code, "", None, errors_are_sure=True)
