"""A run in which every kind of figure is measured: drawn from a seed, large enough for groups and bins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from harness.testing.stores import WrittenArm, WrittenTask, write_run
from harness.types import Answers, Document, Question, Row, Status, Text, Usage

RUN = "20260202-000000-bbbbbb"
LABELS = ("grant", "refuse", "unknown")
DOCUMENTS = ("act", "code", "rules")
FULL, KERAS, RAG, BASE = "full@torch:m", "full@keras:m", "rag@torch:m", "base@torch:m"


def measured(root: Path, word: str = "") -> Path:
    """`word` stands before every name from outside."""
    random = np.random.default_rng(5)
    sets: dict[str, list[Row]] = {
        "test": [_row(f"q{n}", n % 3, f"c{n // 2}", {}, random) for n in range(130)],
        "further": [_row(f"f{n}", n % 3, f"g{n // 2}", {}, random) for n in range(40)],
        "train_sample": [_row(f"t{n}", n % 3, f"d{n // 3}", {}, random) for n in range(90)],
        "twins": [_row(f"w{n}", n // 2 % 2, f"c{n // 2}", _person(n), random, f"twin{n // 2}") for n in range(132)],
        "within_twins": [
            _row(f"v{n}", n // 2 % 3, f"c{n // 2}", {"gender": "female"}, random, f"twin{3 * (n // 2)}")
            for n in range(30)
        ],
        "suite_bbq": [_bbq(n) for n in range(48)],
        "suite_sentences": [_sentence(n) for n in range(36)],
    }
    usage = {
        name: Usage(wall_s=wall, cpu_s=2 * wall, tokens=int(1000 * wall), flops=1e9 * wall)
        for name, wall in (("adapt", 3.0), ("predict test", 2.0), ("total", 5.0))
    }
    log = {"latency_s": [0.01, 0.02, 0.03]}

    def arm(strategy: str, skill: float, seeds: int = 1, backend: str = "torch", reads: bool = False) -> WrittenArm:
        answered = [{name: _answers(rows, skill, random, reads) for name, rows in sets.items()} for _ in range(seeds)]
        return WrittenArm(strategy, answered, backend, f"{word}m", log=log, usage=usage)

    arms = [
        arm("base", 0.4),
        arm("full", 0.75, 3),
        arm("full", 0.7, 1, "keras"),
        arm("rag", 0.65, 2, reads=True),
        WrittenArm("lora", (), "torch", f"{word}m", status=Status.OOM, reason=f"{word}killed at 14 GB"),
    ]
    task = WrittenTask(
        sets,
        f"{word}permits",
        labels=LABELS,
        groups=("gender", "origin"),
        documents=[Document(name, f"{name} says", name.capitalize()) for name in DOCUMENTS],
        extra_tests=("further",),
        suites=("suite_bbq", "suite_sentences"),
        positive="grant",
        abstain="unknown",
    )
    write_run(root, RUN, task, arms)
    return root


def _person(n: int) -> dict[str, str]:
    """Too few are from the islands to be compared."""
    origins = ("north",) * 5 + ("south",) * 4 + ("islands",) * 2
    return {"gender": ("female", "male")[n % 2], "origin": origins[n // 2 % 11]}


def _row(
    id: str, gold: int, cluster: str, groups: Mapping[str, str], random: np.random.Generator, twin: str | None = None
) -> Row:
    evidence = (str(random.choice(DOCUMENTS)),) if random.random() < 0.9 else ()
    return Row(Question(id, (Text(f"May {id} build?"),), LABELS), gold, cluster, dict(groups), evidence, twin)


def _bbq(n: int) -> Row:
    """One of three is ambiguous: there the right answer is that it is unknown."""
    ambiguous = n % 3 == 0
    marks = {"context": "ambig" if ambiguous else "disambig", "polarity": ("neg", "nonneg")[n % 2]}
    question = Question(f"b{n}", (Text(f"Who, {n}?"),), LABELS)
    return Row(question, 2 if ambiguous else n % 2, f"b{n // 4}", {**marks, "target": "0", "unknown": "2"})


def _sentence(n: int) -> Row:
    """Pairs of he and she; every third sentence is of neither, every sixth is not marked as a stereotype."""
    pronoun = ("male", "female", "neutral")[n % 3]
    marks = {"pronoun": pronoun, "pair": str(n // 3)} if n % 3 < 2 else {"pronoun": pronoun}
    marks |= {"stereotype": ("pro", "anti")[n % 2]} if n % 6 else {}
    marks |= {"gotcha": ("yes", "no", "no")[n // 4 % 3]} if n < 30 else {}
    marks |= {"stereotyping": str(n % 2)} if n > 3 else {}
    return Row(Question(f"s{n}", (Text(f"Sentence {n}"),), LABELS), n % 2, f"s{n // 6}", marks)


def _answers(rows: Sequence[Row], skill: float, random: np.random.Generator, reads: bool) -> Answers:
    scores, passages = [], []
    for row in rows:
        own = random.normal(0, 1, 3)
        own[row.gold] += 2.5 * (random.random() < skill)
        scores.append(np.round(own, 1).astype(np.float32))  # so that some are equally sure
        passages.append(tuple(random.choice(DOCUMENTS, 2, replace=False).tolist()) if reads else ())
    return Answers(tuple(scores), tuple(passages) if reads else ())
