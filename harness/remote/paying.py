"""Paid calls through a purse: each answer paid for once, a few calls under way, waits as the service asks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from harness.remote.faults import Doubtful, Refused
from harness.remote.purse import Billed, Purse

CONCURRENCY = 8
ATTEMPTS = 8
TIMEOUT_S = 120.0
"""For one whole answer, however slowly it trickles in."""
LEAST_CHARS_PER_TOKEN = 2
"""Of a text's UTF-8 bytes, to say what a call costs at most."""
Item = TypeVar("Item")
Result = TypeVar("Result")
Sent = tuple[Mapping[str, Any], Billed]
"""An answer as JSON, and what the service says that it charges; empty where it tells nothing."""
_JITTER = wait_random_exponential(multiplier=0.5, max=30)


def _wait(state: RetryCallState) -> float:
    """What the service asks for, and jitter on top, so that several do not come back at once."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.retry_s if isinstance(error, Refused) else None
    return (asked or 0.0) + _JITTER(state)


def _may_retry(error: BaseException) -> bool:
    return isinstance(error, Doubtful) or (isinstance(error, Refused) and error.retry_s is not None)


async def paid(
    purse: Purse, key: str, most: Billed, send: Callable[[], Awaitable[Sent]], attempts: int = ATTEMPTS
) -> tuple[Mapping[str, Any], bool]:
    """The purse's line of a call, and whether it was sent now; without figures of the service it costs the `most`.

    `send` raises `Refused` and `Doubtful`; so does this, after the last attempt, and `CapReached`.
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
                async with asyncio.timeout(TIMEOUT_S):
                    answer, billed = await send()
            except Refused:
                purse.refused(key)
                raise
            except TimeoutError:
                raise Doubtful("no whole answer in time") from None
            purse.paid(key, answer, billed or most, time.perf_counter() - began, guessed=not billed)
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
