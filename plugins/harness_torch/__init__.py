"""Backend `torch`: transformers and peft models on CPU, CUDA or MPS."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, hookimpl, later


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    return [
        BackendSpec(
            name="torch",
            summary="PyTorch with transformers and peft",
            describe=later("harness.models:describe"),
            offers=later("harness_torch.capabilities:offers"),
            load="harness_torch.backend:load",
            default_model="all-MiniLM-L6-v2",
            requires=("torch", "transformers", "peft", "safetensors"),
            extra="torch",
            preload=("torch", "transformers.models.bert.modeling_bert", "peft"),
            device=later("harness_torch.capabilities:device_kind"),
            why_not=later("harness_torch.capabilities:why_not"),
            saves=(
                "`model/model.safetensors` holds all weights, those of LoRA merged in, by the names that "
                "`transformers` gives them, behind `model.`; beside them may stand a linear layer `head.`. Without the "
                "harness: load the base model, take `model.` off the names, `load_state_dict`. Trained over 4-bit "
                "weights (`qlora`) it holds the adapters and the head alone, and is read by the harness only."
            ),
        )
    ]
