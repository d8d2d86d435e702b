"""Machines of SageMaker's training jobs, and what they need: known without asking."""

from __future__ import annotations

import os
import re

from harness.errors import UsageError
from harness.remote.endpoint import Endpoint
from harness.remote.machines import Flavor
from harness.safetext import one_line
from harness_aws.capabilities import lacking
from harness_aws.places import MANAGING, STORAGE, place

IMAGE, INSTALL = "AWS_HARNESS_IMAGE", "AWS_HARNESS_INSTALL"
IMAGE_NAME = re.compile(r"[\w.-]+\.dkr\.ecr\.[\w.-]+/\S+")
GPUS = {"g4dn": "NVIDIA T4", "g5": "NVIDIA A10G", "g6": "NVIDIA L4", "g6e": "NVIDIA L40S"}
WITH_ONE_GPU = re.compile(r"ml\.(g4dn|g5|g6|g6e)\.(xlarge|2xlarge|4xlarge|8xlarge|16xlarge)")
"""Larger ones have several: a cell uses no more than one."""
WITHOUT = re.compile(r"ml\.(t3|m5|m6i|m7i|c5|c6i|c7i|r5|r6i|r7i)\.(medium|large|xlarge|\d+xlarge)")


def flavor(name: str) -> Flavor:
    if found := WITH_ONE_GPU.fullmatch(name):
        return Flavor(name, GPUS[found[1]])
    if WITHOUT.fullmatch(name):
        return Flavor(name, None)
    raise UsageError(
        f"{one_line(name)[:60]!r} is no machine of aws with one GPU at most, such as ml.g4dn.xlarge or ml.m5.xlarge"
    )


def endpoint() -> Endpoint:
    """Where jobs are ordered; they and the bucket are AWS, or both are stand-ins."""
    jobs, bucket = place(MANAGING), place(STORAGE)
    if jobs.emulated != bucket.emulated:
        raise UsageError("sagemaker and s3 must both be on this machine or neither; set AWS_ENDPOINT_URL")
    return jobs


def unready(where: Endpoint) -> str | None:
    if missing := lacking():
        return missing
    if not IMAGE_NAME.fullmatch(os.environ.get(IMAGE, "")):
        return f"{IMAGE} must name an image of ECR with Python, in which cells run"
    return None
