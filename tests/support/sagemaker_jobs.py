"""Training jobs of SageMaker beside the S3 of our server for AWS: each really runs, as a process of this machine.

Written from the published shapes (JSON 1.1, one path, the operation in a header). Each job has
a folder of its own for `/opt/ml`.
"""

from __future__ import annotations

import io
import json
import math
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.aws_server import ACCOUNT, REGION, AwsHandler, AwsState
from tests.support.forked import Child
from tests.support.hub_server import killed, started
from tests.support.standin import Refusal, served

ENDED = ("Completed", "Failed", "Stopped")


@dataclass
class SageMakerState(AwsState):
    hired: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Training jobs by name."""
    processes: dict[str, subprocess.Popen[bytes] | Child] = field(default_factory=dict)
    folders: dict[str, tempfile.TemporaryDirectory[str]] = field(default_factory=dict)
    forks: bool = True
    """Whether jobs are forked of the tests' process rather than started anew."""
    canned: bytes | None = None
    """A result that jobs leave without running, after so many `polls`."""
    limit_s: float = 60.0
    """Of a job that was given a longer one."""


class SageMaker:
    """The verbs, each from a request's body to a response's."""

    def __init__(self, state: SageMakerState) -> None:
        self.state = state

    def create(self, body: dict[str, Any]) -> dict[str, Any]:
        state, name = self.state, body["TrainingJobName"]
        assert len(name) <= 63
        assert all(len(each) <= 256 for each in body["AlgorithmSpecification"]["ContainerArguments"])
        assert all(len(value) <= 512 for value in body["Environment"].values())
        if name in state.hired:
            raise Refusal(400, f"Training job names must be unique: {name}", "ResourceInUse")
        fate = state.fate(name)
        job = {**body, "TrainingJobStatus": "InProgress", "SecondaryStatus": "Starting", "CreationTime": time.time()}
        state.hired[name] = job
        if fate == "failed":
            self._end(job, "Failed", "Failed", "CapacityError: no capacity")
        elif fate != "stuck":
            job |= {"SecondaryStatus": "Training", "TrainingStartTime": time.time()}
            if state.canned is None:
                self._start(job)
        return {"TrainingJobArn": f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:training-job/{name}"}

    def _start(self, job: dict[str, Any]) -> None:
        name = job["TrainingJobName"]
        self.state.folders[name] = tempfile.TemporaryDirectory()
        root = Path(self.state.folders[name].name)
        (root / "model").mkdir()
        for channel in job["InputDataConfig"]:
            folder = root / "input" / "data" / channel["ChannelName"]
            folder.mkdir(parents=True)
            prefix = channel["DataSource"]["S3DataSource"]["S3Uri"].removeprefix("s3:/")
            for key, content in self.state.objects.items():
                if key.startswith(prefix):
                    (folder / key.rpartition("/")[2]).write_bytes(content)
        specification = job["AlgorithmSpecification"]
        command = [*specification["ContainerEntrypoint"], *specification["ContainerArguments"]]
        environment = {name: text.replace("/opt/ml", str(root)) for name, text in job["Environment"].items()}
        if self.state.forks:
            command = [environment["HARNESS_COMMAND"]]
        self.state.processes[name] = started(command, environment, forked=self.state.forks)

    def describe(self, name: str) -> dict[str, Any]:
        if name not in self.state.hired:
            raise Refusal(400, "Requested resource not found.", "ValidationException")
        job = self.state.hired[name]
        self.state.looks[name] += 1
        if job["TrainingJobStatus"] in ENDED or "TrainingStartTime" not in job:
            return self._told(job)
        process = self.state.processes.get(name)
        if process is None and self.state.canned is not None and self.state.looks[name] > self.state.polls:
            self._put(job, {"result.tar.gz": self.state.canned})
            self._end(job, "Completed", "Completed", None)
        elif process is not None and process.poll() is not None:
            made = Path(self.state.folders[name].name) / "model"
            if process.returncode == 0:
                self._put(job, {file.name: file.read_bytes() for file in made.iterdir()})
            why = None if process.returncode == 0 else f"AlgorithmError: exit code {process.returncode}"
            self._end(job, "Failed" if why else "Completed", "Failed" if why else "Completed", why)
        elif process is not None:
            most = min(job["StoppingCondition"]["MaxRuntimeInSeconds"], self.state.limit_s)
            if time.time() - job["TrainingStartTime"] > most:
                killed(process)
                self._end(job, "Stopped", "MaxRuntimeExceeded", None)
        return self._told(job)

    def _put(self, job: dict[str, Any], files: dict[str, bytes]) -> None:
        """SageMaker packs what a job leaves, with the folder itself left out."""
        sink = io.BytesIO()
        with tarfile.open(fileobj=sink, mode="w:gz") as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        path = job["OutputDataConfig"]["S3OutputPath"].removeprefix("s3:/")
        self.state.objects[f"{path}/{job['TrainingJobName']}/output/model.tar.gz"] = sink.getvalue()

    def stop(self, name: str) -> dict[str, Any]:
        job = self.state.hired[name]
        if job["TrainingJobStatus"] in ENDED:
            raise Refusal(
                400, "The request was rejected because the training job is in status Stopped.", "ValidationException"
            )
        if name in self.state.processes:
            killed(self.state.processes[name])
        self._end(job, "Stopped", "Stopped", None)
        return {}

    def _end(self, job: dict[str, Any], status: str, secondary: str, why: str | None) -> None:
        job |= {"TrainingJobStatus": status, "SecondaryStatus": secondary, "TrainingEndTime": time.time()}
        began = job.get("TrainingStartTime")
        seconds = 0 if began is None else math.ceil(job["TrainingEndTime"] - began)
        job["BillableTimeInSeconds"] = seconds
        self.state.tokens[job["ResourceConfig"]["InstanceType"], "machine seconds"] += seconds
        if why:
            job["FailureReason"] = why

    def _told(self, job: dict[str, Any]) -> dict[str, Any]:
        return {"TrainingJobArn": "arn:aws:sagemaker:x", "ModelArtifacts": {"S3ModelArtifacts": "s3://x"}, **job}

    def list(self, body: dict[str, Any]) -> dict[str, Any]:
        self.state.hidden_lists -= 1
        if self.state.hidden_lists >= 0:
            return {"TrainingJobSummaries": []}
        names = ("TrainingJobName", "TrainingJobStatus", "CreationTime", "TrainingEndTime")
        found = [job for name, job in self.state.hired.items() if body["NameContains"] in name]
        start, size = int(body.get("NextToken", "0")), min(self.state.page, body["MaxResults"])
        rows = [{"TrainingJobArn": "arn:x", **{n: job[n] for n in names if n in job}} for job in found]
        more = {"NextToken": str(start + size)} if start + size < len(rows) else {}
        return {"TrainingJobSummaries": rows[start : start + size], **more}


class _Machines(AwsHandler):
    state: SageMakerState

    def _route(
        self, method: str, path: str, query: dict[str, str], content: bytes, headers: dict[str, str]
    ) -> dict[str, Any] | bytes:
        operation = self.headers.get("x-amz-target", "").removeprefix("SageMaker.")
        if not operation:
            return super()._route(method, path, query, content, headers)
        verbs, body = SageMaker(self.state), json.loads(content)
        if operation == "CreateTrainingJob":
            return verbs.create(body)
        if operation == "DescribeTrainingJob":
            return verbs.describe(body["TrainingJobName"])
        if operation == "StopTrainingJob":
            return verbs.stop(body["TrainingJobName"])
        return verbs.list(body)

    def _refuse(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        if "x-amz-target" not in self.headers:
            return super()._refuse(status, code, message, headers)
        return self._send(status, {"__type": code, "message": message}, headers)


@contextmanager
def serving(state: SageMakerState | None = None) -> Iterator[tuple[str, SageMakerState]]:
    """The URL of a server on loopback for `AWS_ENDPOINT_URL`, and its state; jobs that still run are ended with it."""
    state = state or SageMakerState()
    with served(_Machines, state) as url:
        try:
            yield url, state
        finally:
            for process in state.processes.values():
                killed(process)
            for folder in state.folders.values():
                folder.cleanup()
