"""Backend `huggingface`: models behind Hugging Face's router of inference providers, by huggingface_hub."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, hookimpl, later
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
