"""Customisation jobs of Bedrock: questions in S3 by the hash of their content; a job's name is our label."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

from harness.remote.orders import HostedJob, Jobs, Order, State
from harness.remote.redaction import Redactor
from harness_aws.capabilities import BUCKET, PROFILE, ROLE
from harness_aws.client import READS, made, redactor
from harness_aws.faults import faults
from harness_aws.pages import pages
from harness_aws.places import CONTROL, STORAGE
from harness_aws.storage import FOLDER, put

LABEL = "harness"
"""The key of our label among tags."""
ENDS = {"Completed": State.SUCCEEDED, "Failed": State.FAILED, "Stopped": State.CANCELLED}
SUMMARIES = "modelCustomizationJobSummaries"


class BedrockJobs:
    def __init__(self, once: Any, reading: Any, storage: Any, redact: Redactor) -> None:
        """`once` never asks twice; all other clients may ask again for what changes nothing."""
        self._once, self._reading, self._storage, self._redact = once, reading, storage, redact

    def upload(self, name: str, content: bytes) -> str:
        """By its name, which is the hash of its content."""
        return put(self._storage, self._redact, name, content)

    def ready(self, file: str) -> bool:
        """What was read back can be used."""
        return True

    def create(self, order: Order, train: str, validation: str | None) -> HostedJob:
        """The label is the idempotency token too: a request of the same label can never begin a second job."""
        tags = [{"key": LABEL, "value": order.label}]
        with faults(self._redact, errors_are_sure=False):
            made = self._once.create_model_customization_job(
                jobName=order.label,
                customModelName=order.label,
                clientRequestToken=order.label,
                roleArn=os.environ[ROLE],
                baseModelIdentifier=PROFILE.sub("", order.model),
                customizationType="FINE_TUNING",
                trainingDataConfig={"s3Uri": train},
                outputDataConfig={"s3Uri": f"s3://{os.environ[BUCKET]}/{FOLDER}/{order.label}"},
                hyperParameters=_numbers(order),
                jobTags=tags,
                customModelTags=tags,
            )
            if not made["jobArn"]:
                raise ValueError("an answer that names no job")
        return HostedJob(order.label, State.RUNNING, "InProgress", order.label, time.time())

    def labelled(self, prefix: str) -> Sequence[HostedJob]:
        with faults(self._redact, errors_are_sure=False):
            rows = pages(self._reading.list_model_customization_jobs, SUMMARIES, prefix)
            found = [row for row in rows if row["jobName"].startswith(prefix)]
        return sorted(map(self._summed_up, found), key=lambda job: job.created)

    def job(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            return _job(self._reading.get_model_customization_job(jobIdentifier=id), "outputModelArn")

    def cancel(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            self._reading.stop_model_customization_job(jobIdentifier=id)
        return self.job(id)

    def _summed_up(self, row: Mapping[str, Any]) -> HostedJob:
        """A list does not say why a job failed."""
        return self.job(row["jobName"]) if row["status"] == "Failed" else _job(row, "customModelArn")


def _numbers(order: Order) -> dict[str, str]:
    recipe = order.recipe
    chosen = {
        "epochCount": recipe.epochs,
        "batchSize": recipe.batch_size,
        "learningRateMultiplier": recipe.lr_multiplier,
    }
    return {name: str(value) for name, value in chosen.items() if value is not None}


def _job(found: Mapping[str, Any], model: str) -> HostedJob:
    """Known by its name, as an ARN would tell the account in every report; Bedrock tells no tokens of a training."""
    began, ended = found["creationTime"], found.get("endTime")
    return HostedJob(
        id=found["jobName"],
        state=ENDS.get(found["status"], State.RUNNING),
        told=found["status"],
        label=found["jobName"],
        created=began.timestamp(),
        model=found.get(model),
        error=found.get("failureMessage"),
        seconds=(ended - began).total_seconds() if ended else None,
    )


def jobs() -> Jobs:
    return BedrockJobs(made(CONTROL), made(CONTROL, READS), made(STORAGE, READS), redactor())
