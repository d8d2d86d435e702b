"""Strategies that train weights: all of them, or low-rank adapters, over 4-bit weights if asked; or have it done."""

from collections.abc import Iterable, Mapping

from harness.plugin import AUTO, Capability, Kind, Search, Setting, StrategySpec, hookimpl

COMMON = {
    "epochs": Setting(6, "passes over the training questions, at most", low=1),
    "batch_size": Setting(16, "questions per step", low=1, search=Search(values=(8, 16, 32))),
    "warmup": Setting(0.1, "share of the steps over which the learning rate rises", low=0, high=1),
    "weight_decay": Setting(0.01, "AdamW's decay", low=0),
    "patience": Setting(2, "epochs without a better validation loss before it stops", low=1),
    "max_tokens": Setting(256, "texts are cut to so many tokens", low=8),
    "head_lr": Setting(1e-3, "learning rate of a classification head", low=0),
}
FULL = {"lr": Setting(1e-4, "peak learning rate", low=0, search=Search(1e-5, 1e-3, log=True)), **COMMON}
ADAPTERS = {
    "lr": Setting(2e-3, "peak learning rate", low=0, search=Search(2e-4, 1e-2, log=True)),
    "rank": Setting(8, "rank of the adapters", low=1, search=Search(values=(4, 8, 16, 32))),
    "alpha": Setting(16.0, "the adapters' output is scaled by alpha / rank", low=0),
    **COMMON,
}


def _spec(name: str, summary: str, step: str, settings: Mapping[str, Setting], default: bool = True) -> StrategySpec:
    def needs(kind: Kind) -> frozenset[Capability]:
        return frozenset({f"tune:{name}:{kind}", f"answer:{kind}"})

    return StrategySpec(
        name=name,
        summary=summary,
        role="weights",
        load=f"harness_tuning.tuning:{step}",
        needs=needs,
        needs_training=True,
        seeded=True,
        settings=settings,
        default=default,
    )


HOSTED = {
    "epochs": Setting(AUTO, "passes over the training questions; auto: the service chooses", low=1, high=50),
    "batch_size": Setting(AUTO, "questions per step; auto: the service chooses", low=1, high=256),
    "lr_multiplier": Setting(
        AUTO, "of the service's own learning rate; auto: the service chooses", low=1e-3, high=100.0
    ),
}


@hookimpl
def harness_strategies() -> Iterable[StrategySpec]:
    lowrank = "low-rank adapters on the attention's queries and values are trained"
    return [
        _spec("full", "all weights are trained", "Full", FULL),
        _spec("lora", lowrank, "LowRank", ADAPTERS),
        # It saves memory where a model is large, and is lora with less exact weights where it is not.
        _spec("hosted", "a service trains its own model and keeps it", "HostedTraining", HOSTED, default=False),
        _spec("qlora", "as lora, over weights that are held in 4 bits", "FourBitLowRank", ADAPTERS, default=False),
    ]
