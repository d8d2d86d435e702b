"""Hosted training by OpenAI's API: files by the hash of their content, jobs by our label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openai import OpenAI
from openai.types.fine_tuning import FineTuningJob

from harness.remote.faults import Refused
from harness.remote.orders import HostedJob, Jobs, Order, State
from harness.remote.redaction import Redactor
from harness_openai.capabilities import KEY, endpoint
from harness_openai.client import synchronous
from harness_openai.faults import faults

LABEL = "harness"
"""The key of our label among a job's metadata."""
SUFFIX, SUFFIX_CHARS = "user_provided_suffix", 40
"""The label's other place, which Azure tells."""
READS = 2
"""Times that the SDK may ask again for what changes nothing."""
ENDS = {"succeeded": State.SUCCEEDED, "failed": State.FAILED, "cancelled": State.CANCELLED}
UNUSABLE = ("error", "deleted")


class OpenAIJobs:
    def __init__(self, client: OpenAI, redact: Redactor, more: Mapping[str, Any] | None = None) -> None:
        """`more`: what a service with this API wants to be told of a job besides."""
        self._once, self._redact, self._more = client, redact, dict(more or {})
        self._reading = client.with_options(max_retries=READS)

    def upload(self, name: str, content: bytes) -> str:
        """By its name, which is the hash of its content; one that lost bytes on its way is sent again."""
        with faults(self._redact, errors_are_sure=False):
            for found in self._reading.files.list(purpose="fine-tune"):
                if found.filename == name and found.bytes == len(content) and found.status not in UNUSABLE:
                    return found.id
            return self._once.files.create(file=(name, content), purpose="fine-tune").id

    def ready(self, file: str) -> bool:
        with faults(self._redact, errors_are_sure=False):
            found = self._reading.files.retrieve(file)
        if found.status == "error":
            raise Refused(
                f"the service cannot use the uploaded file {file}: {found.status_details or 'no reason told'}"
            )
        return found.status == "processed"

    def create(self, order: Order, train: str, validation: str | None) -> HostedJob:
        recipe = order.recipe
        chosen = {
            "n_epochs": recipe.epochs,
            "batch_size": recipe.batch_size,
            "learning_rate_multiplier": recipe.lr_multiplier,
        }
        given: Any = {name: value for name, value in chosen.items() if value is not None}
        with faults(self._redact, errors_are_sure=False):
            made = self._once.fine_tuning.jobs.create(
                model=order.model,
                training_file=train,
                validation_file=validation,
                method={"type": "supervised", "supervised": {"hyperparameters": given}},
                metadata={LABEL: order.label},
                suffix=order.label[:SUFFIX_CHARS],
                seed=recipe.seed,
                extra_body=self._more or None,
            )
        return _job(made)

    def labelled(self, prefix: str) -> Sequence[HostedJob]:
        with faults(self._redact, errors_are_sure=False):
            jobs = [_job(found) for found in self._reading.fine_tuning.jobs.list(limit=100)]
        return sorted((job for job in jobs if (job.label or "").startswith(prefix)), key=lambda job: job.created)

    def job(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            return _job(self._reading.fine_tuning.jobs.retrieve(id))

    def cancel(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            return _job(self._reading.fine_tuning.jobs.cancel(id))


def _job(found: FineTuningJob) -> HostedJob:
    return HostedJob(
        id=found.id,
        state=ENDS.get(found.status, State.RUNNING),
        told=found.status,
        label=(found.metadata or {}).get(LABEL) or (found.model_extra or {}).get(SUFFIX),
        created=float(found.created_at),
        model=found.fine_tuned_model,
        error=(found.error.message or found.error.code or None) if found.error else None,
        trained_tokens=found.trained_tokens,
        seconds=float(found.finished_at - found.created_at) if found.finished_at else None,
    )


def jobs() -> Jobs:
    return OpenAIJobs(synchronous(endpoint()), Redactor((KEY,)))
