"""Backend `vertex`: Google's models on Vertex AI, by the Google Gen AI SDK."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, hookimpl, later
from harness.remote.service import Service


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    where = "harness_vertex.capabilities"
    return [
        BackendSpec(
            name="vertex",
            summary="Vertex AI, in the project GOOGLE_CLOUD_PROJECT at GOOGLE_CLOUD_LOCATION",
            describe=later(f"{where}:describe"),
            offers=later(f"{where}:offers"),
            load="harness_vertex.backend:load",
            default_model=None,
            requires=("google.genai",),
            extra="vertex",
            preload=("google.genai", "tenacity"),
            device=lambda: "service",
            why_not=later(f"{where}:why_not"),
            service=Service(
                endpoint=later(f"{where}:endpoint"),
                secrets=(),
                why_not=later(f"{where}:unready"),
                tuned=lambda model: f"ft:{model}",
                notices=later("harness_vertex.dates:notices"),
                jobs="harness_vertex.jobs:jobs",
            ),
        )
    ]
