"""Backend `keras`: KerasHub models on Keras 3 and TensorFlow."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, hookimpl, later


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    return [
        BackendSpec(
            name="keras",
            summary="Keras 3 and KerasHub on TensorFlow",
            describe=later("harness.models:describe"),
            offers=later("harness_keras.capabilities:offers"),
            load="harness_keras.backend:load",
            default_model="all-MiniLM-L6-v2",
            requires=("tensorflow", "keras", "keras_hub", "safetensors", "tokenizers"),
            extra="keras",
            preload=("harness_keras.framework",),
            device=later("harness_keras.capabilities:device_kind"),
            why_not=later("harness_keras.capabilities:why_not"),
            saves=(
                "`model/model.safetensors` holds all weights, those of LoRA merged in, by the paths of their variables "
                "in KerasHub's model; beside them may stand a linear layer `head.`."
            ),
        )
    ]
