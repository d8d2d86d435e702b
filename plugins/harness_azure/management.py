"""Requests to Azure's management API: one each, no redirect followed, every fault as what it says of the request."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx2

from harness.remote import faults
from harness.remote.faults import Doubtful, Refused, of_status
from harness.remote.redaction import Redactor
from harness.safetext import one_line
from harness_azure import SECRETS
from harness_azure.account import Account
from harness_azure.credentials import token

VERSION = "2024-10-01"
TIMEOUT_S = 60.0
NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class Management:
    """Of one resource; `path` is always within it."""

    def __init__(self, account: Account) -> None:
        self._base = f"{account.management.url}{account.path}"
        self._token = token(f"{account.management.url}/.default")
        self._client = httpx2.Client(follow_redirects=False, timeout=TIMEOUT_S)
        self._redact = Redactor(SECRETS)

    def get(self, path: str) -> Mapping[str, Any] | None:
        """None where there is none."""
        return self._sent("GET", f"{self._base}{path}?api-version={VERSION}")

    def listed(self, path: str) -> Iterator[Mapping[str, Any]]:
        url: str | None = f"{self._base}{path}?api-version={VERSION}"
        while url:
            page = self._sent("GET", url) or {}
            yield from page.get("value", ())
            url = page.get("nextLink")
            if url and urlsplit(url)[:2] != urlsplit(self._base)[:2]:
                raise Refused("the service's list goes on at another host, which is not followed")

    def put(self, path: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
        found = self._sent("PUT", f"{self._base}{path}?api-version={VERSION}", body)
        if found is None:
            raise Refused("404: the resource is not found: look at its name, group and subscription")
        return found

    def delete(self, path: str) -> None:
        self._sent("DELETE", f"{self._base}{path}?api-version={VERSION}")

    def _sent(self, method: str, url: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any] | None:
        headers = {"authorization": f"Bearer {self._token()}"}
        try:
            answer = self._client.request(method, url, json=body, headers=headers)
        except httpx2.HTTPError as error:
            told = f"no answer: {type(error).__name__}"
            raise (Refused(told, faults.RETRY_S) if isinstance(error, NEVER_SENT) else Doubtful(told)) from None
        if answer.status_code == 404:
            return None
        if not answer.is_success:
            told = self._redact(one_line(f"{answer.status_code} {_reason(answer)}"))[: faults.TOLD_CHARS]
            raise of_status(answer.status_code, told, answer.headers.get("retry-after"), errors_are_sure=False)
        if not answer.content:
            return {}
        try:
            found = answer.json()
        except ValueError:
            raise Doubtful("an answer that cannot be read") from None
        if not isinstance(found, dict):
            raise Doubtful("an answer that is no object")
        return found


def _reason(answer: httpx2.Response) -> str:
    try:
        error = json.loads(answer.content)["error"]
        return f"{error['code']}: {error['message']}"
    except (ValueError, KeyError, TypeError):
        return answer.reason_phrase
