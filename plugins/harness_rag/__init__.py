"""Strategy `rag`: passages retrieved from the task's documents, read with the question."""

from collections.abc import Iterable

from harness.plugin import AUTO, AssetSpec, Capability, Kind, Setting, StrategySpec, hookimpl

RETRIEVED = AssetSpec(
    name="retrieved",
    make="harness_rag.retriever:make",
    open="harness_rag.retrieved:open_retrieved",
    settings=("encoder",),
    preload=("torch", "sentence_transformers"),
)


def _reads(kind: Kind) -> frozenset[Capability]:
    return frozenset({f"answer:{kind}", f"read:{kind}"})


@hookimpl
def harness_strategies() -> Iterable[StrategySpec]:
    return [
        StrategySpec(
            name="rag",
            summary="passages retrieved by a frozen encoder (FAISS) are read with the question",
            role="context",
            load="harness_rag.rag:Rag",
            needs=_reads,
            needs_documents=True,
            settings={
                "encoder": Setting("all-MiniLM-L6-v2", "the retriever's sentence encoder"),
                "k": Setting(AUTO, "passages per question; auto: chosen on validation", low=1, high=10),
                "reading": Setting(AUTO, "weight of the passages; auto: chosen on validation", low=0.0, high=1.0),
                "in_training": Setting(False, "whether training questions carry passages too: several times slower"),
            },
            assets=(RETRIEVED,),
        )
    ]
