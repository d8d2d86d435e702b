"""What went wrong with a request: surely not done, or in doubt; and after how long it may be tried again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai

from harness.remote.orders import Doubtful, Refused
from harness.remote.redaction import Redactor
from harness.safetext import one_line

QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
"""Codes that come as 429 and that no waiting helps."""
RETRY_S = 2.0
LONGEST_RETRY_S = 120.0
TOLD_CHARS = 240
NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class BadRequest(Refused):
    """400 or 422; `names` is all that the service says of what was bad."""

    def __init__(self, told: str, names: str, code: str) -> None:
        super().__init__(told)
        self.names, self.code = names, code


@contextmanager
def faults(redact: Redactor, *, errors_are_sure: bool) -> Iterator[None]:
    """The SDK's exceptions as `Refused` and `Doubtful`; `errors_are_sure`: a 5xx says that nothing was done."""
    try:
        yield
    except openai.APIStatusError as error:
        raise _of_status(error, redact, errors_are_sure) from None
    except openai.APIConnectionError as error:
        cause = error.__cause__
        told = redact(one_line(f"no answer: {type(cause or error).__name__}"))
        raise (Refused(told, RETRY_S) if isinstance(cause, NEVER_SENT) else Doubtful(told)) from None
    except TimeoutError:
        raise Doubtful("no whole answer in time") from None
    except (openai.APIError, json.JSONDecodeError, httpx2.HTTPError, ValueError) as error:
        raise Doubtful(redact(one_line(f"an answer that cannot be read: {type(error).__name__}"))) from None


def _of_status(error: openai.APIStatusError, redact: Redactor, errors_are_sure: bool) -> Refused | Doubtful:
    status, code = error.status_code, str(error.code or error.type or "")
    told = redact(one_line(f"{status} {code}: {error.message}"))[:TOLD_CHARS]
    if 300 <= status < 400:
        return Refused(f"{status}: the service redirects elsewhere, which is not followed")
    if status in (400, 422):
        return BadRequest(told, f"{error.param or ''} {error.message}", code)
    if status == 429 and code in QUOTA:
        return Refused(f"the account's quota or balance is used up: {told}")
    if status in (408, 409, 429):
        return _again(error, told)
    if status >= 500:
        return _again(error, told) if errors_are_sure else Doubtful(told)
    return Refused(told)


def _again(error: openai.APIStatusError, told: str) -> Refused:
    try:
        wait_s = float(error.response.headers.get("retry-after", RETRY_S))
    except ValueError:
        wait_s = RETRY_S
    if not 0 <= wait_s <= LONGEST_RETRY_S:
        return Refused(f"{told}; it asks to wait {wait_s:.0f} s: run the same command again then")
    return Refused(told, wait_s)
