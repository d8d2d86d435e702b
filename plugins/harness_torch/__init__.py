"""Backend `torch`: transformers and peft models on CPU, CUDA or MPS."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, Capability, ModelCard, hookimpl


def _describe(model: str) -> ModelCard:
    from harness.models import describe

    return describe(model)


def _offers(card: ModelCard) -> frozenset[Capability]:
    from harness_torch.capabilities import offers

    return offers(card)


def _why_not(card: ModelCard, capability: Capability) -> str:
    from harness_torch.capabilities import why_not

    return why_not(card, capability)


def _device() -> str:
    from harness_torch.capabilities import device_kind

    return device_kind()


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    return [
        BackendSpec(
            name="torch",
            summary="PyTorch with transformers and peft",
            describe=_describe,
            offers=_offers,
            load="harness_torch.backend:load",
            default_model="all-MiniLM-L6-v2",
            requires=("torch", "transformers", "peft", "safetensors"),
            extra="torch",
            preload=("torch", "transformers.models.bert.modeling_bert", "peft"),
            device=_device,
            why_not=_why_not,
        )
    ]
