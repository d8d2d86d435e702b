"""Strategies that train no weights of a model: floors to beat, the model as it is, and a probe on it."""

from collections.abc import Iterable

from harness.plugin import AUTO, Capability, Kind, Search, Setting, StrategySpec, hookimpl

SKLEARN = ("sklearn.feature_extraction.text", "sklearn.linear_model", "sklearn.pipeline", "sklearn.preprocessing")


def _answers(kind: Kind) -> frozenset[Capability]:
    return frozenset({f"answer:{kind}"})


def _embeds(kind: Kind) -> frozenset[Capability]:
    return frozenset({"embed"})


C = Setting(
    AUTO,
    "inverse regularisation; auto: chosen on validation",
    low=1e-6,
    high=1e6,
    search=Search(1e-4, 1e3, log=True),
)


@hookimpl
def harness_strategies() -> Iterable[StrategySpec]:
    return [
        StrategySpec(
            name="majority",
            summary="always the most frequent training answer",
            role="answerer",
            load="harness_baselines.majority:Majority",
            needs_model=False,
            needs_training=True,
            composes=False,
        ),
        StrategySpec(
            name="tfidf",
            summary="word overlap with training questions, no model",
            role="answerer",
            load="harness_baselines.tfidf:Tfidf",
            preload=SKLEARN,
            needs_model=False,
            needs_training=True,
            composes=False,
        ),
        StrategySpec(
            name="base",
            summary="the model as it is",
            role="answerer",
            load="harness_baselines.unadapted:Base",
            needs=_answers,
            composes=False,
        ),
        StrategySpec(
            name="probe",
            summary="logistic regression on the model's frozen embeddings",
            role="answerer",
            load="harness_baselines.probe:Probe",
            preload=SKLEARN,
            needs=_embeds,
            needs_training=True,
            composes=False,
            settings={"c": C},
        ),
    ]
