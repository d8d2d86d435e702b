"""Opens a deployment, or what was trained from the model that it serves."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.plugin import Kind, ModelCard
from harness.remote.purse import Purse
from harness.remote.redaction import Redactor
from harness.remote.session import ServiceSession
from harness_azure import SECRETS
from harness_azure.capabilities import endpoint
from harness_azure.chat import AzureClient
from harness_azure.credentials import key_later
from harness_azure.deployments import deployments
from harness_azure.jobs import jobs
from harness_openai.client import asynchronous
from harness_openai.training import ChatTraining


class AzureBackend:
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
        where = endpoint()
        client = AzureClient(asynchronous(where, key_later()), Redactor(SECRETS))
        session = ServiceSession(model, where, purse, client, ChatTraining(jobs), deployments)
        if artifact is not None:
            session.reopen(artifact)
        return session


def load() -> AzureBackend:
    return AzureBackend()
