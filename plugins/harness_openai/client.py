"""The SDK's clients, told everything that they would otherwise take from elsewhere; and paid calls through a purse."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import openai
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from harness.remote.endpoint import Endpoint
from harness.remote.orders import Doubtful, Refused
from harness.remote.purse import Purse
from harness.remote.redaction import Redactor
from harness_openai.capabilities import KEY
from harness_openai.faults import faults

CONCURRENCY = 8
ATTEMPTS = 8
TIMEOUT_S = 120.0
"""For one whole answer, however slowly it trickles in."""
Item = TypeVar("Item")
Result = TypeVar("Result")
_JITTER = wait_random_exponential(multiplier=0.5, max=30)


def options(where: Endpoint) -> dict[str, Any]:
    return {
        "api_key": os.environ.get(KEY) or "none",
        "base_url": where.url,
        "max_retries": 0,
        "timeout": openai.Timeout(TIMEOUT_S, connect=10.0),
    }


def asynchronous(where: Endpoint) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(
        **options(where), http_client=openai.DefaultAsyncHttpxClient(follow_redirects=False, timeout=TIMEOUT_S)
    )


def synchronous(where: Endpoint) -> openai.OpenAI:
    return openai.OpenAI(
        **options(where), http_client=openai.DefaultHttpxClient(follow_redirects=False, timeout=TIMEOUT_S)
    )


def _wait(state: RetryCallState) -> float:
    """What the service asks for, and jitter on top, so that several do not come back at once."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_s if isinstance(error, Refused) else None
    return (asked or 0.0) + _JITTER(state)


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, Doubtful) or (isinstance(error, Refused) and error.retry_s is not None)


async def paid(
    purse: Purse,
    key: str,
    most: Mapping[str, int],
    send: Callable[[], Awaitable[tuple[Any, Mapping[str, int]]]],
    redact: Redactor,
    attempts: int = ATTEMPTS,
) -> tuple[Mapping[str, Any], bool]:
    """The purse's line of a call, and whether it was sent now. `send` returns the answer and what it is charged.

    Raises `Refused`, `Doubtful`, or `CapReached`.
    """
    known = purse.answer(key)
    if known is not None:
        return known, False
    again = AsyncRetrying(
        retry=retry_if_exception(_may_retry), stop=stop_after_attempt(attempts), wait=_wait, reraise=True
    )
    async for attempt in again:
        with attempt:
            purse.intend(key, most)
            began = time.perf_counter()
            try:
                with faults(redact, errors_are_sure=True):
                    async with asyncio.timeout(TIMEOUT_S):
                        answer, billed = await send()
            except Refused:
                purse.refused(key)
                raise
            purse.paid(key, answer, billed, time.perf_counter() - began)
    found = purse.answer(key)
    assert found is not None
    return found, True


async def each(items: Sequence[Item], one: Callable[[Item], Awaitable[Result]]) -> list[Result]:
    """`one` of every item, a few at a time. After an error nothing more is begun, but what was sent is waited for."""
    results: dict[int, Result] = {}
    numbered, errors = iter(enumerate(items)), list[Exception]()

    async def work() -> None:
        for number, item in numbered:
            if errors:
                return
            try:
                results[number] = await one(item)
            except Exception as error:
                errors.append(error)

    await asyncio.gather(*(work() for _ in range(min(CONCURRENCY, len(items)))))
    if errors:
        raise errors[0]
    return [results[number] for number in range(len(items))]
