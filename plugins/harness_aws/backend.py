"""Opens a model of Bedrock, or what was trained from one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.plugin import Kind, ModelCard
from harness.remote.purse import Purse
from harness.remote.session import ServiceSession
from harness_aws.client import runtime
from harness_aws.deployments import deployments
from harness_aws.jobs import jobs
from harness_aws.places import endpoint
from harness_aws.training import BedrockTraining


class BedrockBackend:
    def open(
        self,
        model: ModelCard,
        *,
        kind: Kind,
        labels: Sequence[str],
        seed: int,
        artifact: Path | None = None,
        purse: Purse,
    ) -> ServiceSession:
        session = ServiceSession(model, endpoint(), purse, runtime(), BedrockTraining(jobs), deployments)
        if artifact is not None:
            session.reopen(artifact)
        return session


def load() -> BedrockBackend:
    return BedrockBackend()
