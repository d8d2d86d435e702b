"""Endpoints, asked in threads: one request to one name, JSON in both directions."""

from __future__ import annotations

import json
from importlib import metadata
from typing import Any

from harness.remote.redaction import Redactor
from harness_aws.client import Threads
from harness_aws.faults import faults
from harness_aws.sagemaker.chat import SageMakerChat
from harness_aws.sagemaker.vectors import SageMakerVectors

JSON = "application/json"


class SageMakerClient:
    sdk = f"boto3 {metadata.version('boto3')}"

    def __init__(self, runtime: Any, redact: Redactor) -> None:
        self._runtime, self._redact, self._threads = runtime, redact, Threads()

    def chat(self, model: str) -> SageMakerChat:
        return SageMakerChat(self._ask, self._faults, model)

    def vectors(self, model: str) -> SageMakerVectors:
        return SageMakerVectors(self._ask, self._faults, model)

    def _faults(self) -> Any:
        return faults(self._redact, errors_are_sure=True)

    async def _ask(self, body: Any) -> tuple[Any, str | None]:
        return await self._threads.run(self._invoke, body)

    def _invoke(self, body: Any) -> tuple[Any, str | None]:
        found = self._runtime.invoke_endpoint(
            EndpointName=body["endpoint"], Body=json.dumps(body["body"]), ContentType=JSON, Accept=JSON
        )
        return json.loads(found["Body"].read()), found["ResponseMetadata"].get("RequestId")

    async def close(self) -> None:
        self._threads.close()
        self._runtime.close()
