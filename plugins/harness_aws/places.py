"""Where requests go: the region's own endpoints, or those that the environment names."""

from __future__ import annotations

import os
import re

from harness.errors import UsageError
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint

RUNTIME, CONTROL, STORAGE, MACHINES = "bedrock-runtime", "bedrock", "s3", "sagemaker"
URLS = {
    RUNTIME: "AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
    CONTROL: "AWS_ENDPOINT_URL_BEDROCK",
    STORAGE: "AWS_ENDPOINT_URL_S3",
    MACHINES: "AWS_ENDPOINT_URL_SAGEMAKER",
}
"""The SDK's own variables; `AWS_ENDPOINT_URL` stands for all that are not set."""
HOSTS = {MACHINES: "api.sagemaker"}
"""Of services whose host is called otherwise."""
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
DOMAINS = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}
"""Of regions that begin so; all others have the first one's without its end."""


def region() -> str:
    found = next((value for name in REGIONS if (value := os.environ.get(name))), "")
    if not re.fullmatch(r"[a-z]+(-[a-z]+)+-\d+", found):
        raise UsageError("AWS_REGION names no region such as us-east-1" if found else "AWS_REGION is not set")
    return found


def place(service: str) -> Endpoint:
    """Of one service; raises `UsageError` for what may not be used."""
    own = URLS[service]
    name = own if os.environ.get(own) else "AWS_ENDPOINT_URL"
    where = region()
    domain = next((domain for start, domain in DOMAINS.items() if where.startswith(start)), "amazonaws.com")
    return endpoints.endpoint(name, f"https://{HOSTS.get(service, service)}.{where}.{domain}")


def endpoint() -> Endpoint:
    """Where questions go. All services are AWS, or all are stand-ins: else a result would be neither's."""
    places = {service: place(service) for service in (RUNTIME, CONTROL, STORAGE)}
    if len({each.emulated for each in places.values()}) > 1:
        here = ", ".join(sorted(service for service, each in places.items() if each.emulated))
        raise UsageError(f"{here} would be on this machine and the other services elsewhere; set AWS_ENDPOINT_URL")
    return places[RUNTIME]
