"""Training files in a bucket of Cloud Storage: by the hash of their content, written once and never over another.

By its JSON API: two requests need none of the twenty packages of its own library.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from typing import Any
from urllib.parse import quote

import httpx2

from harness.errors import UsageError
from harness.remote.endpoint import Endpoint
from harness.remote.faults import Doubtful, Refused
from harness_vertex.access import Access
from harness_vertex.capabilities import BUCKET
from harness_vertex.faults import faults, of_answer

THERE = 412
"""Status of a write that was to be the first and is not."""


class Bucket:
    def __init__(self, where: Endpoint, name: str, client: httpx2.Client, access: Access) -> None:
        """Raises `UsageError` for what is no bucket's name."""
        if not re.fullmatch(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", name):
            raise UsageError(f"{BUCKET} must be the name of a bucket, without gs://")
        self._url, self._name, self._client, self._access = where.url, name, client, access

    def put(self, name: str, content: bytes) -> str:
        """Its URI; sent unless it is there. Raises `Refused` and `Doubtful`."""
        found = self._look(name)
        if found is None:
            sent = self._request(
                "POST",
                f"/upload/storage/v1/b/{self._name}/o",
                params={"uploadType": "media", "name": name, "ifGenerationMatch": "0"},
                content=content,
                headers={"content-type": "application/jsonl"},
            )
            found = self._read(sent) if sent.status_code != THERE else self._look(name)
        if found is None or found.get("md5Hash") != _md5(content):
            raise Refused(f"gs://{self._name}/{name} holds other bytes than were sent: remove it and try again")
        return f"gs://{self._name}/{name}"

    def _look(self, name: str) -> dict[str, Any] | None:
        found = self._request("GET", f"/storage/v1/b/{self._name}/o/{quote(name, safe='')}")
        return None if found.status_code == 404 else self._read(found)

    def _request(self, method: str, path: str, **more: Any) -> httpx2.Response:
        with faults(self._access.redact, errors_are_sure=False):
            headers = {**more.pop("headers", {}), **self._access.header()}
            return self._client.request(method, f"{self._url}{path}", headers=headers, **more)

    def _read(self, response: httpx2.Response) -> dict[str, Any]:
        body = _json(response)
        if response.status_code != 200:
            after, redact = response.headers.get("retry-after"), self._access.redact
            raise of_answer(response.status_code, body, after, redact, errors_are_sure=False)
        if not isinstance(body, dict):
            raise Doubtful("an answer that cannot be read: no object of Cloud Storage")
        return body


def _md5(content: bytes) -> str:
    """As Cloud Storage writes it."""
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


def _json(response: httpx2.Response) -> Any:
    try:
        return response.json()
    except ValueError:
        return None


def bucket(where: Endpoint, client: httpx2.Client, access: Access) -> Bucket:
    return Bucket(where, os.environ.get(BUCKET, ""), client, access)
