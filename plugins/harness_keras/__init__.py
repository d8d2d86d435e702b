"""Backend `keras`: KerasHub models on Keras 3 and TensorFlow."""

from collections.abc import Iterable

from harness.plugin import BackendSpec, Capability, ModelCard, hookimpl


def _describe(model: str) -> ModelCard:
    from harness.models import describe

    return describe(model)


def _offers(card: ModelCard) -> frozenset[Capability]:
    from harness_keras.capabilities import offers

    return offers(card)


def _why_not(card: ModelCard, capability: Capability) -> str:
    from harness_keras.capabilities import why_not

    return why_not(card, capability)


def _device() -> str:
    from harness_keras.capabilities import device_kind

    return device_kind()


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    return [
        BackendSpec(
            name="keras",
            summary="Keras 3 and KerasHub on TensorFlow",
            describe=_describe,
            offers=_offers,
            load="harness_keras.backend:load",
            default_model="all-MiniLM-L6-v2",
            requires=("tensorflow", "keras", "keras_hub", "safetensors", "tokenizers"),
            extra="keras",
            preload=("harness_keras.framework",),
            device=_device,
            why_not=_why_not,
        )
    ]
