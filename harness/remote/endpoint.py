"""Where texts are sent: named by the user's environment alone, encrypted unless it is this machine."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from harness.errors import UsageError


@dataclass(frozen=True, slots=True)
class Endpoint:
    url: str
    """Without a slash at its end."""
    host: str

    @property
    def emulated(self) -> bool:
        """Whether it is this machine: a stand-in, whose results are not the service's."""
        return is_loopback(self.host)


def endpoint(variable: str, default: str, *, given: bool = False) -> Endpoint:
    """The URL of an environment variable, or the service's own; raises `UsageError` for one that may not be used.

    `given`: there is none of the service's own, and `default` is an example. The variable's text is never told: it may
    hold a password.
    """
    text = os.environ.get(variable) or ("" if given else default)
    if not text:
        raise UsageError(f"{variable} is not set; it must be a URL such as {default}")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise UsageError(f"{variable} is no URL") from None
    if parts.scheme not in ("http", "https") or not host:
        raise UsageError(f"{variable} must be a URL such as {default}")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError(f"{variable} must hold no user, password, query or fragment")
    if parts.scheme == "http" and not is_loopback(host):
        raise UsageError(f"{variable}: {host} must be reached by https; http is for this machine alone")
    return Endpoint(text.rstrip("/"), host)


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
