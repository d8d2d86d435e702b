"""The SDK's exceptions as what they say of a request: surely not done, or in doubt."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from huggingface_hub.errors import HfHubHTTPError, InferenceTimeoutError

from harness.remote.chat import UNANSWERED
from harness.remote.faults import BadRequest, Doubtful, Redact, Refused, line, of_status, silence, unreadable

NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
PAYMENT = 402
GATEWAY = (502, 504)
"""The router's own: a provider behind it may go on, and charge for it."""
QUOTA = ("insufficient_quota", "monthly included credits", "credit balance")
"""Of an answer that no waiting helps."""
OF_ONE_QUESTION = ("content_filter", "context_length_exceeded", "maximum context length", "must be <=")


@contextmanager
def faults(redact: Redact, *, errors_are_sure: bool = True) -> Iterator[None]:
    """Raises `Refused` and `Doubtful`; `errors_are_sure`: a 5xx that is no gateway's says that nothing was done."""
    try:
        yield
    except InferenceTimeoutError as error:
        raise silence(error.__cause__ or error, NEVER_SENT, redact) from None
    except HfHubHTTPError as error:
        raise _of_answer(error.response, redact, errors_are_sure) from None
    except httpx2.HTTPError as error:
        raise silence(error, NEVER_SENT, redact) from None
    except (ValueError, TypeError, KeyError) as error:
        raise unreadable(error, redact) from None


def _of_answer(response: httpx2.Response, redact: Redact, errors_are_sure: bool) -> Refused | Doubtful:
    code, message = _error(response)
    told = line(response.status_code, code, message or "no reason told", redact)
    said = f"{code} {message}".lower()
    if response.status_code in (400, 422):
        one = any(words in said for words in OF_ONE_QUESTION)
        return BadRequest(told, message, UNANSWERED if one else code)
    if response.status_code == PAYMENT or (response.status_code == 429 and any(words in said for words in QUOTA)):
        return Refused(f"the account's quota or balance is used up: {told}")
    sure, after = errors_are_sure and response.status_code not in GATEWAY, response.headers.get("retry-after")
    return of_status(response.status_code, told, after, errors_are_sure=sure)


def _error(response: httpx2.Response) -> tuple[str, str]:
    """Code and message, in any of the forms that servers behind the router have."""
    try:
        body: Any = response.json()
    except ValueError:
        return "", response.text
    error = body.get("error", body) if isinstance(body, Mapping) else body
    if not isinstance(error, Mapping):
        return str(body.get("error_type", "")) if isinstance(body, Mapping) else "", str(error)
    return str(error.get("code") or error.get("type") or ""), str(error.get("message") or json.dumps(error))
