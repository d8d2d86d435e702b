"""A chat model by its deployment; one that has just been made is not known everywhere at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.remote.faults import Refused
from harness.remote.hosted import PREFIX
from harness.remote.paying import Sent
from harness_openai.chat import OpenAIChat
from harness_openai.client import OpenAIClient

UNKNOWN = "DeploymentNotFound"
KNOWN_SOON_S = 20.0


class AzureChat(OpenAIChat):
    async def send(self, body: Mapping[str, Any], choices: int) -> Sent:
        try:
            return await super().send(body, choices)
        except Refused as error:
            if UNKNOWN in str(error) and str(body["model"]).startswith(PREFIX):
                raise Refused(str(error), KNOWN_SOON_S) from None
            raise


class AzureClient(OpenAIClient):
    def chat(self, model: str) -> AzureChat:
        return AzureChat(self._client, model, self._redact)
