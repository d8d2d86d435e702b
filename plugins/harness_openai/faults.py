"""The SDK's exceptions as what they say of a request: surely not done, or in doubt."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import openai

from harness.remote.chat import UNANSWERED
from harness.remote.faults import BadRequest, Doubtful, Refused, line, of_status, silence, unreadable
from harness.remote.redaction import Redactor

QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "billing_not_active")
"""Codes that come as 429 and that no waiting helps."""
OF_ONE_QUESTION = ("content_filter", "content_policy_violation", "context_length_exceeded")
NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


@contextmanager
def faults(redact: Redactor, *, errors_are_sure: bool) -> Iterator[None]:
    """Raises `Refused` and `Doubtful`; `errors_are_sure`: a 5xx says that nothing was done."""
    try:
        yield
    except openai.APIStatusError as error:
        raise _of_status(error, redact, errors_are_sure) from None
    except openai.APIConnectionError as error:
        raise silence(error.__cause__ or error, NEVER_SENT, redact) from None
    except (openai.APIError, json.JSONDecodeError, httpx2.HTTPError, ValueError) as error:
        raise unreadable(error, redact) from None


def _of_status(error: openai.APIStatusError, redact: Redactor, errors_are_sure: bool) -> Refused | Doubtful:
    status, code = error.status_code, str(error.code or error.type or "")
    told = line(status, code, error.message, redact)
    if status in (400, 422):
        return BadRequest(told, f"{error.param or ''} {error.message}", UNANSWERED if code in OF_ONE_QUESTION else code)
    if status == 429 and code in QUOTA:
        return Refused(f"the account's quota or balance is used up: {told}")
    return of_status(status, told, error.response.headers.get("retry-after"), errors_are_sure=errors_are_sure)
