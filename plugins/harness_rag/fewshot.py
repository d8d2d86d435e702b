"""`fewshot`: attaches the nearest training questions, each with its answer."""

from __future__ import annotations

from harness.plugin import Answerer, Context, Example, Material, Passage, Question, Session
from harness_rag.reading import Reading
from harness_rag.retrieved import Hits


class FewShot:
    def apply(
        self, session: Session | None, material: Material, answer: Answerer, context: Context
    ) -> tuple[Material, Answerer]:
        hits: Hits = context.asset("neighbours")
        train = material.train
        trained_in = {example.question.id: example.cluster for example in train}

        def shots(question: Question, k: int) -> tuple[Passage, ...]:
            """A training question is shown nothing of its own cluster; any other is shown the nearest there are."""
            own = trained_in.get(question.id)
            near = [(train[number], weight) for number, weight in hits.of(question.text)]
            return tuple(Passage(None, _shown(shot), weight) for shot, weight in near if shot.cluster != own)[:k]

        self.reading = Reading("fewshot", hits, shots, material, context)
        return self.reading.material(material), self.reading.answerer(answer)

    def settle(self, session: Session | None, context: Context) -> None:
        assert session is not None
        self.reading.settle(session, context)


def _shown(shot: Example) -> str:
    return f"{shot.question.text}\n{shot.question.choices[shot.target]}"
