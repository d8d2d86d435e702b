"""Strategy `nearest`: votes of the nearest training questions, by the model's own sentence vectors."""

from collections.abc import Iterable

from harness.plugin import Capability, Kind, Setting, StrategySpec, hookimpl

HARNESS_API = 1


def _embeds(kind: Kind) -> frozenset[Capability]:
    return frozenset({"embed"})


@hookimpl
def harness_strategies() -> Iterable[StrategySpec]:
    return [
        StrategySpec(
            name="nearest",
            summary="votes of the nearest training questions",
            role="answerer",
            load="harness_nearest.vote:Nearest",
            needs=_embeds,
            needs_training=True,
            composes=False,
            settings={"k": Setting(5, "how many training questions vote", low=1)},
        )
    ]
