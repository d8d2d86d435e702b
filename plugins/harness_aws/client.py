"""The SDK's clients, told everything that they would otherwise take from elsewhere, and asked in threads."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import metadata
from typing import Any, TypeVar

import boto3
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

from harness.remote.paying import CONCURRENCY, TIMEOUT_S
from harness.remote.redaction import Redactor
from harness_aws import SECRETS
from harness_aws.chat import BedrockChat
from harness_aws.faults import faults
from harness_aws.guard import guard
from harness_aws.names import Names
from harness_aws.places import CONTROL, RUNTIME, place, region
from harness_aws.vectors import BedrockVectors

CONNECT_S = 10.0
READS = 2
"""Times that the SDK may ask again for what changes nothing."""
LOADER = Loader()
"""Holds what the SDK's files say of services: read once, and from nowhere but the SDK."""
Result = TypeVar("Result")


class Threads:
    """The SDK's calls, which wait, beside one event loop."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(CONCURRENCY, "aws")

    async def run(self, call: Callable[..., Result], *arguments: Any, **named: Any) -> Result:
        return await asyncio.get_running_loop().run_in_executor(
            self._pool, functools.partial(call, *arguments, **named)
        )

    def close(self) -> None:
        """An answer that still trickles in is not waited for."""
        self._pool.shutdown(wait=False, cancel_futures=True)


class BedrockClient:
    sdk = f"boto3 {metadata.version('boto3')}"

    def __init__(self, runtime: Any, redact: Redactor) -> None:
        self._runtime, self._redact, self._threads = runtime, redact, Threads()

    def chat(self, model: str) -> BedrockChat:
        names = Names(functools.partial(made, CONTROL, READS))
        return BedrockChat(self._runtime, self._threads.run, names, model, self._redact)

    def vectors(self, model: str) -> BedrockVectors:
        return BedrockVectors(self._runtime, self._threads.run, model, self._redact)

    async def close(self) -> None:
        self._threads.close()
        self._runtime.close()


def made(service: str, again: int = 0) -> Any:
    """A client of one service; its requests are signed by what the usual chain finds. Raises `Refused`."""
    where = place(service)
    config = Config(
        region_name=region(),
        retries={"mode": "standard", "total_max_attempts": again + 1},
        connect_timeout=CONNECT_S,
        read_timeout=TIMEOUT_S,
        max_pool_connections=CONCURRENCY,
        s3={"addressing_style": "path"},
    )
    core = botocore.session.get_session()
    core.register_component("data_loader", LOADER)
    with faults(redactor(), errors_are_sure=True):
        client = boto3.session.Session(botocore_session=core).client(service, endpoint_url=where.url, config=config)
    guard(client, where)
    return client


def runtime() -> BedrockClient:
    return BedrockClient(made(RUNTIME), redactor())


def redactor() -> Redactor:
    return Redactor(SECRETS)
