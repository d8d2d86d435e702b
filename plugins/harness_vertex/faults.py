"""Exceptions of the SDK, of its transport and of Google's credentials, as what they say of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx2
from google.auth.exceptions import GoogleAuthError
from google.genai.errors import APIError

from harness.remote import faults as told_by
from harness.remote.chat import UNANSWERED
from harness.remote.faults import BadRequest, Doubtful, Redact, Refused, line, of_status, silence, unreadable
from harness.safetext import one_line

NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
DAILY = re.compile(r"per[ _-]?day|[\"/]d/", re.IGNORECASE)
"""What a quota is called that no waiting helps today; all others are rates of a minute."""
OF_ONE_QUESTION = re.compile(r"input token count|maximum number of tokens", re.IGNORECASE)


@contextmanager
def faults(redact: Redact, *, errors_are_sure: bool) -> Iterator[None]:
    """Raises `Refused` and `Doubtful`; `errors_are_sure`: a 5xx says that nothing was done."""
    try:
        yield
    except APIError as error:
        raise of_answer(
            error.code, error.details, _after(error.response), redact, errors_are_sure=errors_are_sure
        ) from None
    except GoogleAuthError as error:  # before anything was sent
        told = redact(one_line(f"Google's credentials: {error.args[0] if error.args else type(error).__name__}"))
        raise Refused(told[: told_by.TOLD_CHARS], told_by.RETRY_S if error.retryable else None) from None
    except httpx2.DecodingError as error:
        raise unreadable(error, redact) from None
    except httpx2.HTTPError as error:
        raise silence(error, NEVER_SENT, redact) from None
    except ValueError as error:
        raise unreadable(error, redact) from None


def _after(response: object) -> str | None:
    headers = getattr(response, "headers", None)
    return headers.get("retry-after") if headers else None


def of_answer(
    status: int, body: Any, retry_after: str | None, redact: Redact, *, errors_are_sure: bool
) -> Refused | Doubtful:
    """Of an HTTP status that is no success; `body` as JSON, in Google's form or not."""
    error = body.get("error", body) if isinstance(body, Mapping) else {}
    error = error if isinstance(error, Mapping) else {}
    code, message, details = str(error.get("status") or ""), str(error.get("message") or ""), error.get("details") or []
    told = line(status, code, message or "no reason told", redact)
    if status in (400, 422):
        one = OF_ONE_QUESTION.search(message)
        return BadRequest(told, f"{message} {json.dumps(details)}", UNANSWERED if one else code)
    if status == 429 and DAILY.search(f"{message} {json.dumps(details)}"):
        return Refused(f"the project's quota is used up: {told}")
    return of_status(status, told, retry_after or _delay(details), errors_are_sure=errors_are_sure)


def _delay(details: Any) -> str | None:
    """Seconds of a `google.rpc.RetryInfo`, such as `12s`."""
    for each in details if isinstance(details, list) else ():
        if isinstance(each, Mapping) and isinstance(delay := each.get("retryDelay"), str):
            return delay.removesuffix("s")
    return None
