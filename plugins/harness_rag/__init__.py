"""Strategies that give the model something to read: `rag`, and `fewshot`."""

from collections.abc import Iterable, Mapping
from typing import Any

from harness.plugin import AUTO, AssetSpec, Capability, Kind, Reads, Search, Setting, StrategySpec, hookimpl

PRELOAD = ("torch", "sentence_transformers")


def _is_control(settings: Mapping[str, Any]) -> bool:
    return bool(settings["passages"] != "retrieved")


def _revision(settings: Mapping[str, Any]) -> str:
    if settings["retriever"] == "bm25" or settings.get("passages", "retrieved") != "retrieved":
        return ""
    from harness.models import describe

    return describe(settings["encoder"]).revision


RETRIEVED = AssetSpec(
    name="retrieved",
    make="harness_rag.retriever:make",
    open="harness_rag.retrieved:open_retrieved",
    settings=("encoder", "retriever", "passages"),
    identity=_revision,
    sees_evidence=_is_control,
    preload=PRELOAD,
)
NEIGHBOURS = AssetSpec(
    name="neighbours",
    make="harness_rag.retriever:make_neighbours",
    open="harness_rag.retrieved:open_hits",
    settings=("encoder", "retriever"),
    identity=_revision,
    preload=PRELOAD,
)
COMMON = {
    "retriever": Setting("dense", "dense (by meaning), bm25 (by words) or both", choices=("dense", "bm25", "hybrid")),
    "encoder": Setting("all-MiniLM-L6-v2", "the dense retriever's sentence encoder"),
    "k": Setting(
        AUTO, "passages per question; auto: chosen on validation", low=1, high=10, search=Search(values=(1, 3, 5, 10))
    ),
    "reading": Setting(
        AUTO, "weight of the passages; auto: chosen on validation", low=0.0, high=1.0, search=Search(0.1, 1.0)
    ),
    "in_training": Setting(False, "whether training questions carry passages too: several times slower"),
}


def _read(settings: Mapping[str, Any]) -> Reads:
    from harness_rag.reading import KS

    k, tried = settings["k"], settings["k"] == AUTO or settings["reading"] == AUTO
    ks = KS if k == AUTO else (int(k),)
    return Reads(max(ks), ks if tried else ())


def _reads(kind: Kind) -> frozenset[Capability]:
    return frozenset({f"answer:{kind}", f"read:{kind}"})


@hookimpl
def harness_strategies() -> Iterable[StrategySpec]:
    return [
        StrategySpec(
            name="rag",
            summary="passages retrieved from the task's documents are read with the question",
            role="context",
            load="harness_rag.rag:Rag",
            needs=_reads,
            needs_documents=True,
            settings={
                **COMMON,
                "passages": Setting(
                    "retrieved",
                    "retrieved, or as a control those that hold the answer (oracle) or do not (irrelevant)",
                    choices=("retrieved", "oracle", "irrelevant"),
                ),
            },
            assets=(RETRIEVED,),
            reads=_read,
        ),
        StrategySpec(
            name="fewshot",
            summary="the nearest training questions are read with the question, answers included",
            role="context",
            load="harness_rag.fewshot:FewShot",
            needs=_reads,
            needs_training=True,
            settings=COMMON,
            assets=(NEIGHBOURS,),
            reads=_read,
            default=False,
        ),
    ]
