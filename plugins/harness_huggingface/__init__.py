"""Hugging Face by huggingface_hub: its router of inference providers, machines of its Jobs, repositories of its Hub."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, MachinesSpec, RepositoriesSpec, hookimpl, later
from harness.remote.service import Service


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    where = "harness_huggingface.capabilities"
    return [
        BackendSpec(
            name="huggingface",
            summary="Hugging Face's inference providers, or one server of its kind at HF_INFERENCE_ENDPOINT",
            describe=later(f"{where}:describe"),
            offers=later(f"{where}:offers"),
            load="harness_huggingface.backend:load",
            default_model=None,
            requires=("huggingface_hub", "httpx2"),
            extra="huggingface",
            preload=("huggingface_hub.inference._generated._async_client", "tenacity"),
            device=lambda: "service",
            why_not=later(f"{where}:why_not"),
            service=Service(
                endpoint=later(f"{where}:endpoint"),
                secrets=("HF_TOKEN",),
                why_not=later(f"{where}:unready"),
                tuned=lambda model: f"ft:{model}",
                notices=lambda card, endpoint, tunes, today: (),
            ),
        )
    ]


@hookimpl
def harness_machines() -> Iterable[MachinesSpec]:
    where = "harness_huggingface.flavors"
    return [
        MachinesSpec(
            name="huggingface",
            summary="Hugging Face's Jobs, with files in HF_HARNESS_REPO",
            flavor=later(f"{where}:flavor"),
            load="harness_huggingface.machines:machines",
            endpoint=later(f"{where}:endpoint"),
            secrets=("HF_TOKEN",),
            why_not=later(f"{where}:unready"),
            requires=("huggingface_hub", "httpx2"),
            extra="huggingface",
            preload=("harness_huggingface.machines",),
        )
    ]


@hookimpl
def harness_repositories() -> Iterable[RepositoriesSpec]:
    where = "harness_huggingface.flavors"
    return [
        RepositoriesSpec(
            name="huggingface",
            summary="model repositories of the Hugging Face Hub",
            named=later(f"{where}:named"),
            load="harness_huggingface.repositories:repositories",
            endpoint=later(f"{where}:endpoint"),
            secrets=("HF_TOKEN",),
            why_not=later(f"{where}:locked_out"),
            requires=("huggingface_hub", "httpx2"),
            extra="huggingface",
        )
    ]
