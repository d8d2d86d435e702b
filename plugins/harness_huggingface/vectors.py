"""An embedding model of Hugging Face's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from huggingface_hub import AsyncInferenceClient

from harness.remote.endpoint import Endpoint
from harness.remote.faults import Doubtful, Redact
from harness.remote.purse import Billed
from harness_huggingface.capabilities import OWN
from harness_huggingface.faults import faults


class HuggingFaceVectors:
    batch = 32
    """As many as its own servers take at once unless they are told otherwise."""

    def __init__(self, client: AsyncInferenceClient, where: Endpoint, model: str, redact: Redact) -> None:
        self._client, self._model, self._redact = client, model, redact
        # A full URL, else the SDK asks the Hub what the model is for, unseen by us.
        router = f"{where.url}/hf-inference/models/{model}/pipeline/feature-extraction"
        self._url = router if where.url == OWN else where.url

    def body(self, texts: Sequence[str]) -> Mapping[str, Any]:
        return {"model": self._model, "inputs": list(texts)}

    async def send(self, body: Mapping[str, Any]) -> tuple[np.ndarray, str | None, Billed]:
        """No figures are told of vectors."""
        with faults(self._redact):
            found = await self._client.feature_extraction(body["inputs"], model=self._url)
        if found.ndim != 2:
            raise Doubtful("an answer that cannot be read: not one vector for each text, as of a model for sentences")
        return found, None, {}
