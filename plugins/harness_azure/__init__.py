"""Backend `azure`: Azure OpenAI by its v1 API, which is OpenAI's, with deployments that are charged by the hour."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, hookimpl, later
from harness.remote.service import Service

SECRETS = (
    "AZURE_OPENAI_API_KEY",
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_PASSWORD",
    "IDENTITY_HEADER",
)
"""Environment variables by which one is let in, here or at Entra."""


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    where = "harness_azure.capabilities"
    return [
        BackendSpec(
            name="azure",
            summary="Azure OpenAI, at AZURE_OPENAI_ENDPOINT; a model is a deployment's name",
            describe=later(f"{where}:describe"),
            offers=later(f"{where}:offers"),
            load="harness_azure.backend:load",
            default_model=None,
            requires=("openai", "azure.identity"),
            extra="azure",
            preload=("openai.resources.chat.completions", "openai.resources.fine_tuning", "tenacity", "azure.identity"),
            device=lambda: "service",
            why_not=later(f"{where}:why_not"),
            service=Service(
                endpoint=later(f"{where}:endpoint"),
                secrets=SECRETS,
                why_not=later(f"{where}:unready"),
                tuned=lambda model: f"ft:{model}",
                notices=later(f"{where}:notices"),
                jobs="harness_azure.jobs:jobs",
                deployments="harness_azure.deployments:deployments",
            ),
        )
    ]
