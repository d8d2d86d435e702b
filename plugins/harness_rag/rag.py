"""`rag`: attaches passages that a frozen retriever found in the task's documents."""

from __future__ import annotations

from harness.plugin import Answerer, Context, Material, Passage, Question, Session
from harness_rag.reading import Reading
from harness_rag.retrieved import Retrieved


class Rag:
    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        retrieved: Retrieved = context.asset("retrieved")
        context.record("retrieval_latency_s", retrieved.hits.meta["latency_s"])
        context.record("retrieval_s_per_question", retrieved.hits.meta["s_per_question"])

        def passages(question: Question, k: int) -> tuple[Passage, ...]:
            return retrieved.passages(question.text, k, material.documents)

        self.reading = Reading("rag", passages, material, context)
        given = self.reading.material(material) if context.settings["in_training"] else material
        return given, self.reading.answerer(answer)

    def settle(self, session: Session | None, context: Context) -> None:
        assert session is not None
        self.reading.settle(session, context)
