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

        def passages(question: Question, k: int) -> tuple[Passage, ...]:
            return retrieved.passages(question.text, k, material.documents)

        self.reading = Reading("rag", retrieved.hits, passages, material, context)
        return self.reading.material(material), self.reading.answerer(answer)

    def settle(self, session: Session | None, context: Context) -> None:
        assert session is not None
        self.reading.settle(session, context)
