"""Backend `openai`: OpenAI, and every server that speaks its API, by the official SDK."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, hookimpl, later
from harness.remote.service import Service


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    where = "harness_openai.capabilities"
    return [
        BackendSpec(
            name="openai",
            summary="OpenAI and compatible servers, at OPENAI_BASE_URL",
            describe=later(f"{where}:describe"),
            offers=later(f"{where}:offers"),
            load="harness_openai.backend:load",
            default_model=None,
            requires=("openai",),
            extra="openai",
            preload=("openai.resources.chat.completions", "openai.resources.fine_tuning", "tenacity"),
            device=lambda: "service",
            why_not=later(f"{where}:why_not"),
            service=Service(
                endpoint=later(f"{where}:endpoint"),
                secrets=("OPENAI_API_KEY",),
                why_not=later(f"{where}:unready"),
                tuned=lambda model: f"ft:{model}",
                notices=later("harness_openai.dates:notices"),
                jobs="harness_openai.jobs:jobs",
            ),
        )
    ]
