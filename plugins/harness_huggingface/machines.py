"""Hugging Face's Jobs as machines for cells: bundles and results in a repository, jobs by our label."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence

from huggingface_hub import JobInfo

from harness.remote.machines import RESULT, Hire, Machines
from harness.remote.orders import HostedJob, State
from harness_huggingface.capabilities import KEY
from harness_huggingface.flavors import HUB, IMAGE, INSTALL, URL, endpoint, repository
from harness_huggingface.hub import Hub

LABEL = "harness"
"""The key of our label among a job's labels."""
BUNDLES, RESULTS = "harness/bundles", "harness/results"
OWN_IMAGE = "python:3.12"
ENDS = {
    "COMPLETED": State.SUCCEEDED,
    "ERROR": State.FAILED,
    "DELETED": State.FAILED,
    "CANCELED": State.CANCELLED,
}


class HuggingFaceMachines:
    def __init__(self, hub: Hub) -> None:
        self._hub, self._owner = hub, hub.repo.partition("/")[0]

    def upload(self, name: str, content: bytes) -> str:
        """By its name, which is the hash of its content."""
        path = f"{BUNDLES}/{name}"
        self._hub.put(path, content)
        return path

    def ready(self, file: str) -> bool:
        return True

    def create(self, hire: Hire, bundle: str, other: str | None, /) -> HostedJob:
        where = endpoint()
        with self._hub.asked():
            made = self._hub.api.run_job(
                image=os.environ.get(IMAGE) or OWN_IMAGE,
                command=["sh", "-c", command(hire, self._hub.repo, bundle)],
                env={} if where.url == HUB else {URL: where.url},
                secrets={KEY: self._hub.token},
                flavor=hire.flavor,
                timeout=int(hire.most_s),
                attempts=1,
                name=hire.label,
                labels={LABEL: hire.label},
                namespace=self._owner,
            )
            return _job(made)

    def labelled(self, prefix: str) -> Sequence[HostedJob]:
        with self._hub.asked():
            jobs = [_job(found) for found in self._hub.api.list_jobs(namespace=self._owner)]
        return sorted((job for job in jobs if (job.label or "").startswith(prefix)), key=lambda job: job.created)

    def job(self, id: str) -> HostedJob:
        with self._hub.asked():
            return _job(self._hub.api.inspect_job(job_id=id, namespace=self._owner))

    def cancel(self, id: str) -> HostedJob:
        with self._hub.asked():
            self._hub.api.cancel_job(job_id=id, namespace=self._owner)
        return self.job(id)

    def result(self, label: str, most_bytes: int) -> bytes | None:
        return self._hub.get(f"{RESULTS}/{label}.{RESULT}", most_bytes)


def command(hire: Hire, repo: str, bundle: str) -> str:
    """A line of shell: install, fetch, do, send."""
    install = os.environ.get(INSTALL)
    if install is None:
        wanted = f"adapt-harness[{','.join(hire.extras)}]=={hire.version}"
        install = f"pip install --no-input {shlex.quote(wanted)}"
    run = ["python", "-m", "harness_huggingface.machine", repo, bundle, f"{RESULTS}/{hire.label}.{RESULT}"]
    return f"{install} && exec {shlex.join(run)}"


def _job(found: JobInfo) -> HostedJob:
    stage, created = str(found.status.stage), found.created_at
    if created is None:
        raise ValueError("a job without a date")
    ended = found.finished_at
    return HostedJob(
        id=found.id,
        state=ENDS.get(stage, State.RUNNING),
        told=stage,
        label=(found.labels or {}).get(LABEL),
        created=created.timestamp(),
        error=found.status.message,
        seconds=(ended - created).total_seconds() if ended else None,
        billed_s=None if found.durations is None else float(found.durations.running_secs or 0),
    )


def machines() -> Machines:
    return HuggingFaceMachines(Hub(endpoint(), repository()))
