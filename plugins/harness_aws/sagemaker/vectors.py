"""An embedding model behind an endpoint."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.remote.purse import Billed
from harness_aws.sagemaker.asking import Ask, Faults


class SageMakerVectors:
    batch = 32
    """As many as servers of embeddings take at once unless they are told otherwise."""

    def __init__(self, ask: Ask, faults: Faults, endpoint: str) -> None:
        self._ask, self._faults, self._endpoint = ask, faults, endpoint

    def body(self, texts: Sequence[str]) -> Mapping[str, Any]:
        return {"endpoint": self._endpoint, "body": {"inputs": list(texts)}}

    async def send(self, body: Mapping[str, Any]) -> tuple[np.ndarray, str | None, Billed]:
        """No figures are told of vectors."""
        with self._faults():
            found, _ = await self._ask(body)
            return np.array(found, dtype=np.float32), None, {}
