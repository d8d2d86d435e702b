"""What went wrong with a request: surely not done, or in doubt; and after how long it may be tried again."""

from __future__ import annotations

from collections.abc import Callable

from harness.errors import HarnessError
from harness.safetext import one_line

RETRY_S = 2.0
LONGEST_RETRY_S = 120.0
TOLD_CHARS = 240
REDIRECTED = "the service redirects elsewhere, which is not followed"
Redact = Callable[[str], str]
"""Takes secrets out of a text."""


class Doubtful(HarnessError):
    """Nobody knows whether the service did what it was asked: no answer, or one that says nothing."""


class Refused(HarnessError):
    """The service did surely not do it; `retry_s`: after how long it might."""

    def __init__(self, told: str, retry_s: float | None = None) -> None:
        super().__init__(told)
        self.retry_s = retry_s


class BadRequest(Refused):
    """The request itself is refused; `names` is all that the service says of what was bad."""

    def __init__(self, told: str, names: str, code: str) -> None:
        super().__init__(told)
        self.names, self.code = names, code


def of_status(status: int, told: str, retry_after: str | None, *, errors_are_sure: bool) -> Refused | Doubtful:
    """Of an HTTP status that is no success; `errors_are_sure`: a 5xx says that nothing was done."""
    if 300 <= status < 400:
        return Refused(f"{status}: {REDIRECTED}")
    if status in (408, 409, 429):
        return again(told, retry_after)
    if status >= 500:
        return again(told, retry_after) if errors_are_sure else Doubtful(told)
    return Refused(told)


def again(told: str, retry_after: str | None) -> Refused:
    """`retry_after`: the header's seconds; a service that wants longer than we wait is told to the user."""
    try:
        wait_s = float(retry_after or RETRY_S)
    except ValueError:
        wait_s = RETRY_S
    if not 0 <= wait_s <= LONGEST_RETRY_S:
        return Refused(f"{told}; it asks to wait {wait_s:.0f} s: run the same command again then")
    return Refused(told, wait_s)


def line(status: int, code: str, message: object, redact: Redact) -> str:
    """What a service says of a refusal, as one line."""
    return redact(one_line(f"{status} {code}: {message}"))[:TOLD_CHARS]


def silence(error: BaseException, never_sent: tuple[type[BaseException], ...], redact: Redact) -> Refused | Doubtful:
    """No answer came; `never_sent`: errors that the request did not outlive, so that nothing was done."""
    told = redact(one_line(f"no answer: {type(error).__name__}"))
    return Refused(told, RETRY_S) if isinstance(error, never_sent) else Doubtful(told)


def unreadable(error: BaseException, redact: Redact) -> Doubtful:
    return Doubtful(redact(one_line(f"an answer that cannot be read: {type(error).__name__}")))
