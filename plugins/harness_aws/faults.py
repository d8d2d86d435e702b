"""botocore's exceptions as what they say of a request: surely not done, or in doubt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore import exceptions as sdk

from harness.remote.chat import UNANSWERED
from harness.remote.faults import (
    TOLD_CHARS,
    BadRequest,
    Doubtful,
    Refused,
    again,
    line,
    of_status,
    silence,
    unreadable,
)
from harness.remote.redaction import Redactor
from harness.safetext import one_line

RATE = ("ThrottlingException", "TooManyRequestsException", "ModelNotReadyException", "SlowDown", "RequestLimitExceeded")
QUOTA = ("ServiceQuotaExceededException", "LimitExceededException", "ResourceLimitExceeded")
QUOTA_WORDS = ("per day", "daily")
"""In what is told as a rate, and that no waiting of ours helps."""
MAY_BE_CHARGED = ("ModelTimeoutException", "ModelErrorException", "ModelStreamErrorException")
"""The model was at work."""
TAKEN = ("ConflictException", "ResourceInUseException", "ResourceInUse")
"""What we wanted to create is there: an earlier request of ours may have done it."""
OF_CONTAINER = "ModelError"
"""What runs on an endpoint of SageMaker said no, and is quoted."""
TOO_LONG = (
    *("too long", "too many input tokens", "maximum context", "blocked by our content filter"),
    *("must be <=", "must have less than"),
)
"""In what is told of one question."""
UNREACHED = (sdk.EndpointConnectionError, sdk.ConnectTimeoutError, sdk.ProxyConnectionError)
NEVER_ASKED = (
    sdk.NoCredentialsError,
    sdk.PartialCredentialsError,
    sdk.CredentialRetrievalError,
    sdk.TokenRetrievalError,
    sdk.SSOError,
    sdk.ProfileNotFound,
    sdk.NoAuthTokenError,
    sdk.ParamValidationError,
)


@contextmanager
def faults(redact: Redactor, *, errors_are_sure: bool) -> Iterator[None]:
    """Raises `Refused` and `Doubtful`; `errors_are_sure`: a 5xx says that nothing was done."""
    try:
        yield
    except sdk.ClientError as error:
        raise _of_answer(error, redact, errors_are_sure) from None
    except NEVER_ASKED as error:
        raise Refused(redact(one_line(f"{type(error).__name__}: {error}"))[:TOLD_CHARS]) from None
    except sdk.BotoCoreError as error:
        raise silence(error, UNREACHED, redact) from None
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise unreadable(error, redact) from None


def _of_answer(error: sdk.ClientError, redact: Redactor, errors_are_sure: bool) -> Refused | Doubtful:
    said, answer = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    status = int(answer.get("HTTPStatusCode", 0))
    told = line(status, code, message, redact)
    retry_after = answer.get("HTTPHeaders", {}).get("retry-after")
    if code in QUOTA or (code in RATE and any(word in message.lower() for word in QUOTA_WORDS)):
        return Refused(f"the account's quota is used up: {told}")
    if code in RATE:
        return again(told, retry_after)
    if code == OF_CONTAINER:
        return _of_container(error.response, told, message)
    if code in MAY_BE_CHARGED or (code in TAKEN and not errors_are_sure):
        return Doubtful(told)
    if code == "ValidationException":
        return _bad(told, message, code)
    return of_status(status, told, retry_after, errors_are_sure=errors_are_sure)


def _of_container(answer: Mapping[str, Any], told: str, message: str) -> Refused | Doubtful:
    """It may have been at work where it says nothing of the request."""
    status, said = int(answer.get("OriginalStatusCode") or 0), str(answer.get("OriginalMessage") or message)
    if status == 429:
        return again(told, None)
    return _bad(told, said, OF_CONTAINER) if 400 <= status < 500 else Doubtful(told)


def _bad(told: str, message: str, code: str) -> BadRequest:
    one = any(words in message.lower() for words in TOO_LONG)
    return BadRequest(told, message, UNANSWERED if one else code)
