"""What the SDK would do or leave undone by itself: it follows S3 to other regions, and takes half an answer for one."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from harness.remote.endpoint import Endpoint
from harness.remote.faults import REDIRECTED, Doubtful, Refused


def guard(client: Any, where: Endpoint) -> None:
    """From now on its requests go to this place alone, and answers that are not whole are none."""

    def before_send(request: Any, **_: Any) -> None:
        wanted, sent = urlsplit(where.url), urlsplit(request.url)
        if (sent.scheme, sent.netloc.lower()) != (wanted.scheme, wanted.netloc.lower()):
            raise Refused(REDIRECTED)

    client.meta.events.register("before-send", before_send)
    client.meta.events.register("before-parse", _before_parse)


def _before_parse(response_dict: dict[str, Any], operation_model: Any, **_: Any) -> None:
    """A streamed body is not read yet, and is checked by the SDK when it is."""
    body, headers = response_dict["body"], response_dict["headers"]
    if not isinstance(body, bytes):
        return
    length = headers.get("content-length")
    if length is not None and length.isdecimal() and int(length) != len(body):
        raise Doubtful("an answer that was cut off")
    is_json = operation_model.service_model.resolved_protocol in ("json", "rest-json")
    if is_json and response_dict["status_code"] < 300 and body:
        try:
            json.loads(body)
        except ValueError:
            raise Doubtful("an answer that cannot be read: no JSON") from None
