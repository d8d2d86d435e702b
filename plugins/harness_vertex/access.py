"""Google's credentials, as the environment has them: used, and never told."""

from __future__ import annotations

import os

import google.auth
import google.auth.exceptions
import google.auth.transport.requests
import google.oauth2.credentials
from google.auth.credentials import Credentials

from harness.errors import UsageError
from harness.remote.endpoint import Endpoint
from harness.safetext import one_line

FILE = "GOOGLE_APPLICATION_CREDENTIALS"
SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
TOKEN = "[access token]"


class Access:
    def __init__(self, credentials: Credentials) -> None:
        self.credentials = credentials

    def header(self) -> dict[str, str]:
        """Raises `google.auth.exceptions.GoogleAuthError`."""
        if not self.credentials.valid:
            self.credentials.refresh(google.auth.transport.requests.Request())  # type: ignore[no-untyped-call]
        return {"authorization": f"Bearer {self.credentials.token}"}

    def redact(self, text: str) -> str:
        token = self.credentials.token
        return text.replace(token, TOKEN) if token else text


def access(where: Endpoint) -> Access:
    """A stand-in is shown no credentials but those that a file of the user's names.

    Raises `UsageError` where there are none.
    """
    if where.emulated and not os.environ.get(FILE):
        return Access(google.oauth2.credentials.Credentials(token="none"))  # type: ignore[no-untyped-call]
    try:
        credentials, _ = google.auth.default(scopes=SCOPES)
    except google.auth.exceptions.GoogleAuthError as error:
        raise UsageError(f"no credentials of Google's: {one_line(str(error))}") from None
    return Access(credentials)
