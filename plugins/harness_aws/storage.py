"""Files in one bucket of S3, each under the hash of its content."""

from __future__ import annotations

import os
from typing import Any

from botocore.exceptions import ClientError

from harness.remote.faults import Refused
from harness.remote.redaction import Redactor
from harness_aws.capabilities import BUCKET
from harness_aws.faults import faults

FOLDER = "harness"
THERE = ("PreconditionFailed", "412")
ABSENT = ("NoSuchKey", "404")


def put(storage: Any, redact: Redactor, name: str, content: bytes) -> str:
    """Its address. Nothing is written over, and what is there is read. Raises `Refused`."""
    bucket, key = os.environ[BUCKET], f"{FOLDER}/{name}"
    with faults(redact, errors_are_sure=True):
        try:
            storage.put_object(Bucket=bucket, Key=key, Body=content, IfNoneMatch="*")
        except ClientError as error:
            if error.response["Error"]["Code"] not in THERE:
                raise
        there = storage.get_object(Bucket=bucket, Key=key)["Body"].read()
    if there != content:
        raise Refused(f"s3://{bucket}/{key} holds other bytes than its name says: delete it")
    return f"s3://{bucket}/{key}"


def get(storage: Any, redact: Redactor, name: str, most_bytes: int) -> bytes | None:
    """None: there is no such file. Raises `Refused` for one of more bytes."""
    bucket, key = os.environ[BUCKET], f"{FOLDER}/{name}"
    with faults(redact, errors_are_sure=True):
        try:
            found = storage.get_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] in ABSENT:
                return None
            raise
        if found["ContentLength"] > most_bytes:
            raise Refused(f"s3://{bucket}/{key} has {found['ContentLength']} bytes, {most_bytes} are read at most")
        return bytes(found["Body"].read())
