"""Opens a model of Vertex AI, or what was trained from one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.plugin import Kind, ModelCard
from harness.remote.purse import Purse
from harness.remote.session import ServiceSession
from harness_vertex.access import access
from harness_vertex.capabilities import endpoint
from harness_vertex.client import VertexClient
from harness_vertex.jobs import jobs
from harness_vertex.training import VertexTraining


class VertexBackend:
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
        session = ServiceSession(model, where, purse, VertexClient(where, access(where)), VertexTraining(jobs))
        if artifact is not None:
            session.reopen(artifact)
        return session


def load() -> VertexBackend:
    return VertexBackend()
