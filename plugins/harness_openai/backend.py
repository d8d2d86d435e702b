"""Opens a model of a service, or what was trained from one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.plugin import Kind, ModelCard
from harness.remote.purse import Purse
from harness.remote.redaction import Redactor
from harness.remote.session import ServiceSession
from harness_openai.capabilities import KEY, endpoint
from harness_openai.client import OpenAIClient, asynchronous
from harness_openai.jobs import jobs
from harness_openai.training import ChatTraining


class OpenAIBackend:
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
        client = OpenAIClient(asynchronous(where), Redactor((KEY,)))
        session = ServiceSession(model, where, purse, client, ChatTraining(jobs))
        if artifact is not None:
            session.reopen(artifact)
        return session


def load() -> OpenAIBackend:
    return OpenAIBackend()
