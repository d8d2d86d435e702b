"""SageMaker's training jobs as machines for cells: bundles and results in S3; a job's name is our label."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.elsewhere.archive import unpacked
from harness.remote.machines import RESULT, Hire, Machines
from harness.remote.orders import HostedJob, State
from harness.remote.redaction import Redactor
from harness_aws.capabilities import BUCKET, ROLE
from harness_aws.client import READS, made, redactor
from harness_aws.faults import faults
from harness_aws.flavors import IMAGE, INSTALL
from harness_aws.places import MANAGING, STORAGE
from harness_aws.storage import FOLDER, get, put

LABEL = "harness"
"""The key of our label among tags."""
RESULTS = "results"
INPUT, OUTPUT = "/opt/ml/input/data", "/opt/ml/model"
"""Where SageMaker puts a channel's files, and what it packs and keeps once a job has ended well."""
CHANNEL = "bundle"
COMMAND = "HARNESS_COMMAND"
DISK_GB = 50
AT_ONCE = 100
ENDS = {"Completed": State.SUCCEEDED, "Failed": State.FAILED, "Stopped": State.CANCELLED}


class SageMakerMachines:
    def __init__(self, once: Any, reading: Any, storage: Any, redact: Redactor) -> None:
        """`once` never asks twice; all other clients may ask again for what changes nothing."""
        self._once, self._reading, self._storage, self._redact = once, reading, storage, redact

    def upload(self, name: str, content: bytes) -> str:
        return put(self._storage, self._redact, name, content)

    def ready(self, file: str) -> bool:
        """What was read back can be used."""
        return True

    def create(self, hire: Hire, bundle: str, other: str | None, /) -> HostedJob:
        """A name that is taken is in doubt, not refused: an earlier request of ours may have done it."""
        source = {"S3DataType": "S3Prefix", "S3Uri": bundle, "S3DataDistributionType": "FullyReplicated"}
        with faults(self._redact, errors_are_sure=False):
            told = self._once.create_training_job(
                TrainingJobName=hire.label,
                AlgorithmSpecification={
                    "TrainingImage": os.environ[IMAGE],
                    "TrainingInputMode": "File",
                    "ContainerEntrypoint": ["sh", "-c"],
                    "ContainerArguments": [f'eval "${COMMAND}"'],  # an argument has 256 characters at most
                },
                Environment={COMMAND: command(hire, bundle.rpartition("/")[2])},
                RoleArn=os.environ[ROLE],
                InputDataConfig=[{"ChannelName": CHANNEL, "DataSource": {"S3DataSource": source}}],
                OutputDataConfig={"S3OutputPath": f"s3://{os.environ[BUCKET]}/{FOLDER}/{RESULTS}"},
                ResourceConfig={"InstanceType": hire.flavor, "InstanceCount": 1, "VolumeSizeInGB": DISK_GB},
                StoppingCondition={"MaxRuntimeInSeconds": int(hire.most_s)},
                Tags=[{"Key": LABEL, "Value": hire.label}],
            )
            if not told["TrainingJobArn"]:
                raise ValueError("an answer that names no job")
        return HostedJob(hire.label, State.RUNNING, "InProgress", hire.label, time.time())

    def labelled(self, prefix: str) -> Sequence[HostedJob]:
        with faults(self._redact, errors_are_sure=False):
            rows = [row for row in self._rows(prefix) if row["TrainingJobName"].startswith(prefix)]
            # A list tells neither why a job failed nor what it is charged.
            found = [self._described(prefix) if row["TrainingJobName"] == prefix else _job(row) for row in rows]
        return sorted(found, key=lambda job: job.created)

    def _rows(self, part: str) -> Iterator[Mapping[str, Any]]:
        asked: dict[str, Any] = {"NameContains": part.rstrip("-"), "MaxResults": AT_ONCE}
        while True:
            page = self._reading.list_training_jobs(**asked)
            yield from page["TrainingJobSummaries"]
            if not page.get("NextToken"):
                return
            asked["NextToken"] = page["NextToken"]

    def job(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            return self._described(id)

    def _described(self, name: str) -> HostedJob:
        return _job(self._reading.describe_training_job(TrainingJobName=name))

    def cancel(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            self._reading.stop_training_job(TrainingJobName=id)
        return self.job(id)

    def result(self, label: str, most_bytes: int) -> bytes | None:
        """SageMaker packs it once more."""
        content = get(self._storage, self._redact, f"{RESULTS}/{label}/output/model.tar.gz", most_bytes)
        return None if content is None else unpacked(content, (RESULT,), most_bytes).get(RESULT)


def command(hire: Hire, bundle: str) -> str:
    """A line of shell: install, do; SageMaker fetches and keeps."""
    install = os.environ.get(INSTALL)
    if install is None:
        wanted = f"adapt-harness[{','.join(hire.extras)}]=={hire.version}"
        install = f"pip install --no-input {shlex.quote(wanted)}"
    run = ["python", "-m", "harness.elsewhere", "run", f"{INPUT}/{CHANNEL}/{bundle}", f"{OUTPUT}/{RESULT}"]
    return f"{install} && exec {shlex.join(run)}"


def _job(found: Mapping[str, Any]) -> HostedJob:
    """Known by its name, as an ARN would tell the account in every report."""
    began, ended = found["CreationTime"], found.get("TrainingEndTime")
    status, billed = found["TrainingJobStatus"], found.get("BillableTimeInSeconds")
    return HostedJob(
        id=found["TrainingJobName"],
        state=ENDS.get(status, State.RUNNING),
        told=found.get("SecondaryStatus") or status,
        label=found["TrainingJobName"],
        created=began.timestamp(),
        error=found.get("FailureReason"),
        seconds=(ended - began).total_seconds() if ended else None,
        billed_s=None if billed is None else float(billed),
    )


def machines() -> Machines:
    return SageMakerMachines(made(MANAGING), made(MANAGING, READS), made(STORAGE, READS), redactor())
