"""Embedding models of Bedrock: Titan's take one text in a request, Cohere's many."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from harness.remote.purse import Billed
from harness.remote.redaction import Redactor
from harness_aws.capabilities import embeds
from harness_aws.chat import Run
from harness_aws.faults import faults

COUNT_HEADER = "x-amzn-bedrock-input-token-count"
LONGEST_CHARS = 2048
"""Of a text for Cohere's models; longer ones are refused."""


class BedrockVectors:
    def __init__(self, client: Any, run: Run, model: str, redact: Redactor) -> None:
        self._client, self._run, self._model, self._redact = client, run, model, redact
        self._is_titan = embeds(model) == "titan"
        self.batch = 1 if self._is_titan else 64

    def body(self, texts: Sequence[str]) -> Mapping[str, Any]:
        if self._is_titan:
            (text,) = texts
            return {"modelId": self._model, "body": {"inputText": text}}
        cut = [text[:LONGEST_CHARS] for text in texts]
        return {
            "modelId": self._model,
            "body": {"texts": cut, "input_type": "search_document", "embedding_types": ["float"], "truncate": "END"},
        }

    async def send(self, body: Mapping[str, Any]) -> tuple[np.ndarray, str | None, Billed]:
        with faults(self._redact, errors_are_sure=True):
            found, headers = await self._run(self._invoke, body)
            rows = [found["embedding"]] if self._is_titan else found["embeddings"]["float"]
            used = headers.get(COUNT_HEADER, found.get("inputTextTokenCount"))
            array = np.array(rows, dtype=np.float32)
            return array, None, {} if used is None else {"embedding tokens": int(used)}

    def _invoke(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
        found = self._client.invoke_model(
            modelId=body["modelId"],
            body=json.dumps(body["body"]),
            contentType="application/json",
            accept="application/json",
        )
        return json.loads(found["body"].read()), found["ResponseMetadata"]["HTTPHeaders"]
