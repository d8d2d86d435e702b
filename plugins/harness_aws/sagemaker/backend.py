"""Opens an endpoint of SageMaker, or rents one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.plugin import Kind, ModelCard
from harness.remote.purse import Purse
from harness.remote.session import ServiceSession
from harness_aws.client import made, redactor
from harness_aws.places import INVOKING
from harness_aws.sagemaker.capabilities import endpoint, hired
from harness_aws.sagemaker.client import SageMakerClient
from harness_aws.sagemaker.endpoints import deployments


class SageMakerBackend:
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
        client = SageMakerClient(made(INVOKING), redactor())
        is_rented = hired(model.id) is not None
        session = ServiceSession(model, endpoint(), purse, client, None, deployments if is_rented else None)
        if artifact is not None:
            session.reopen(artifact)
        elif is_rented:
            session.rent()
        return session


def load() -> SageMakerBackend:
    return SageMakerBackend()
