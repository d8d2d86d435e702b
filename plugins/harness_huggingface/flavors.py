"""Machines of Hugging Face's Jobs, and where what they need lies: known without asking."""

from __future__ import annotations

import os
import re

from harness.errors import UsageError, unknown
from harness.plugin import HarnessError
from harness.remote import endpoint as endpoints
from harness.remote.endpoint import Endpoint
from harness.remote.machines import Flavor
from harness.safetext import one_line
from harness_huggingface.capabilities import KEY, PREFIX

HUB = "https://huggingface.co"
URL, REPO, IMAGE, INSTALL = "HF_ENDPOINT", "HF_HARNESS_REPO", "HF_HARNESS_IMAGE", "HF_HARNESS_INSTALL"
REPO_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
GPUS = {
    "t4-small": "NVIDIA T4",
    "t4-medium": "NVIDIA T4",
    "l4x1": "NVIDIA L4",
    "l40sx1": "NVIDIA L40S",
    "a10g-small": "NVIDIA A10G",
    "a10g-large": "NVIDIA A10G",
    "a100-large": "NVIDIA A100",
    "h200": "NVIDIA H200",
    "rtx-pro-6000": "NVIDIA RTX PRO 6000",
}
"""Of flavours with one GPU: a cell uses no more."""
CPUS = ("cpu-basic", "cpu-upgrade", "cpu-performance", "cpu-xl")


def flavor(name: str) -> Flavor:
    if name not in (*CPUS, *GPUS):
        raise UsageError(unknown("machine of huggingface with at most one GPU", name, (*CPUS, *GPUS)))
    return Flavor(name, GPUS.get(name))


def endpoint() -> Endpoint:
    return endpoints.endpoint(URL, HUB)


def locked_out(where: Endpoint) -> str | None:
    token = os.environ.get(KEY, "")
    if not token.startswith(PREFIX) and not where.emulated:
        return f"{KEY} holds no token of Hugging Face" if token else f"{KEY} is not set"
    return None


def named(name: str) -> str:
    if not REPO_NAME.fullmatch(name):
        raise UsageError(f"{one_line(name)!r} is no name of a repository such as ORG/NAME")
    return name


def unready(where: Endpoint) -> str | None:
    if reason := locked_out(where):
        return reason
    if not REPO_NAME.fullmatch(os.environ.get(REPO, "")):
        return f"{REPO} must name a private dataset repository of yours, ORG/NAME: cells and their results lie there"
    return None


def repository() -> str:
    name = os.environ.get(REPO, "")
    if not REPO_NAME.fullmatch(name):
        raise HarnessError(f"{REPO} names no repository")
    return name
