"""`full`, `lora`, `qlora` and `hosted`: a recipe from the settings, handed to the session."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, cast

from harness.plugin import AUTO, AllWeights, Answerer, Context, Lora, Material, Recipe, Session
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.sessions import TrainsElsewhere


def _tune(trainable: AllWeights | Lora, session: Session | None, material: Material, context: Context) -> None:
    assert session is not None
    own = context.settings
    recipe = Recipe(
        trainable=trainable,
        epochs=own["epochs"],
        lr=own["lr"],
        batch_size=own["batch_size"],
        warmup=own["warmup"],
        weight_decay=own["weight_decay"],
        patience=own["patience"],
        max_tokens=own["max_tokens"],
        seed=context.seed,
        head_lr=own["head_lr"],
    )
    log = session.tune(material.train, material.validation, recipe, context.progress)
    context.record("tuning", asdict(log))


class Full:
    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        _tune(AllWeights(), session, material, context)
        return material, answer


class LowRank:
    four_bit = False

    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        own = context.settings
        _tune(Lora(own["rank"], own["alpha"], four_bit=self.four_bit), session, material, context)
        return material, answer


class FourBitLowRank(LowRank):
    four_bit = True


class HostedTraining:
    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        own = context.settings

        def chosen(name: str) -> Any:
            return None if own[name] == AUTO else own[name]

        recipe = HostedRecipe(chosen("epochs"), chosen("batch_size"), chosen("lr_multiplier"), context.seed)
        elsewhere = cast(TrainsElsewhere, session)
        log = elsewhere.tune(material.train, material.validation, recipe, context.progress)
        if isinstance(log, Pending):
            context.wait(log)
        context.record("tuning", asdict(log))
        return material, answer
