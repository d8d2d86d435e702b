"""Supervised tuning by Vertex AI: files in a bucket by the hash of their content, jobs by our label."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from google.genai.tunings import Tunings
from google.genai.types import (
    CreateTuningJobConfig,
    ListTuningJobsConfig,
    TuningDataset,
    TuningJob,
    TuningValidationDataset,
)

from harness.remote.faults import Redact
from harness.remote.orders import HOSTED_EPOCHS, HostedJob, Jobs, Order, State
from harness_vertex.access import access
from harness_vertex.capabilities import endpoint, storage
from harness_vertex.client import genai_client, synchronous
from harness_vertex.faults import faults
from harness_vertex.storage import Bucket, bucket

LABEL = "harness"
"""The key of our label among a job's labels."""
ENDS = {
    "JOB_STATE_SUCCEEDED": State.SUCCEEDED,
    "JOB_STATE_FAILED": State.FAILED,
    "JOB_STATE_EXPIRED": State.FAILED,
    "JOB_STATE_CANCELLED": State.CANCELLED,
}


class VertexJobs:
    def __init__(self, tunings: Tunings, files: Callable[[], Bucket], redact: Redact) -> None:
        """`files`: opened only to write, so that jobs are found without a bucket."""
        self._tunings, self._files, self._redact = tunings, files, redact

    def upload(self, name: str, content: bytes) -> str:
        return self._files().put(name, content)

    def ready(self, file: str) -> bool:
        return True

    def create(self, order: Order, train: str, validation: str | None) -> HostedJob:
        recipe = order.recipe
        config = CreateTuningJobConfig(
            epoch_count=recipe.epochs,
            learning_rate_multiplier=recipe.lr_multiplier,
            validation_dataset=TuningValidationDataset(gcs_uri=validation) if validation else None,
            labels={LABEL: order.label},
            tuned_model_display_name=order.label,
            export_last_checkpoint_only=True,
        )
        with faults(self._redact, errors_are_sure=False):
            made = self._tunings.tune(
                base_model=order.model, training_dataset=TuningDataset(gcs_uri=train), config=config
            )
            return self._job(made)

    def labelled(self, prefix: str) -> Sequence[HostedJob]:
        with faults(self._redact, errors_are_sure=False):
            jobs = [self._job(found) for found in self._tunings.list(config=ListTuningJobsConfig(page_size=100))]
        return sorted((job for job in jobs if (job.label or "").startswith(prefix)), key=lambda job: job.created)

    def job(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            return self._job(self._tunings.get(name=id))

    def cancel(self, id: str) -> HostedJob:
        with faults(self._redact, errors_are_sure=False):
            self._tunings.cancel(name=id)
        return self.job(id)

    def _job(self, found: TuningJob) -> HostedJob:
        """Raises `ValueError` for one that cannot be looked at again."""
        if not found.name:
            raise ValueError("a job without a name")
        state = found.state.value if found.state else "JOB_STATE_UNSPECIFIED"
        why = (found.error.message if found.error else None) or None
        return HostedJob(
            id=found.name,
            state=ENDS.get(state, State.RUNNING),
            told=state.removeprefix("JOB_STATE_").lower(),
            label=(found.labels or {}).get(LABEL),
            created=found.create_time.timestamp() if found.create_time else 0.0,
            model=(found.tuned_model.endpoint if found.tuned_model else None) or None,
            error=self._redact(why) if why else None,
            trained_tokens=_trained(found),
            seconds=(found.end_time - found.create_time).total_seconds()
            if found.end_time and found.create_time
            else None,
        )


def _trained(found: TuningJob) -> int | None:
    """Google counts the data set once and charges for every epoch."""
    stats = found.tuning_data_stats.supervised_tuning_data_stats if found.tuning_data_stats else None
    if stats is None or stats.total_billable_token_count is None:
        return None
    spec = found.supervised_tuning_spec
    epochs = spec.hyper_parameters.epoch_count if spec and spec.hyper_parameters else None
    return stats.total_billable_token_count * (epochs or HOSTED_EPOCHS)


def jobs() -> Jobs:
    where, client = endpoint(), synchronous()
    rights = access(where)
    tunings = genai_client(where, rights, None, client).tunings
    return VertexJobs(tunings, lambda: bucket(storage(), client, rights), rights.redact)
