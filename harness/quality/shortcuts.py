"""Whether the answer can be had without the question: from the choices alone, or from the choices and the documents.

Poliak et al. (2018, *SEM, "Hypothesis only baselines in natural language inference") found whole data sets that could.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from harness.quality.findings import Embed, Finding, Severity
from harness.types import QuestionSet, Row, Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

MARGIN = 3.0
"""Points that the lower end of the interval must lie above chance before a shortcut is one."""

Score = Callable[[Row], Sequence[float]]
"""A score for each choice of a row, its question unread."""


def findings(task: Task, embed: Embed | None) -> Iterator[Finding]:
    tests = [task.test, *task.extra_tests.values()]
    for name, score in (("longest choice", _length), ("shortest choice", lambda row: [-n for n in _length(row)])):
        yield from (_finding(name, found, score) for found in tests)
    ways: list[tuple[str, Callable[[Sequence[str]], Any]]] = [("tf-idf", _tfidf(task))]
    if embed is not None:
        ways.append(("encoder", embed))
    for way, vectors in ways:
        place, known = _vectors(task, vectors)
        if task.train is not None:
            alone = _learnt(task.train.rows, place, known)
            yield from (_finding(f"choices alone, {way}", found, alone) for found in tests)
        if task.documents:
            nearest = known @ _documents(task, vectors).T
            best = nearest.max(axis=1)
            best = best.toarray()[:, 0] if hasattr(best, "toarray") else best
            yield from (_finding(f"choices and documents, {way}", found, _looked_up(place, best)) for found in tests)


def _finding(check: str, found: QuestionSet, score: Score) -> Finding:
    """Accuracy of the best score; a tie counts as its share."""
    import numpy as np

    from harness.stats import encode, mean_interval

    right = []
    for row in found.rows:
        scores = np.asarray(score(row), dtype=np.float64)
        best = np.flatnonzero(scores == scores.max())
        right.append(1 / len(best) if row.gold in best else 0.0)
    chance = 100 * float(np.mean([1 / len(row.question.choices) for row in found.rows]))
    values = np.array(right)
    low, high = (100 * end for end in mean_interval(values, encode([row.cluster for row in found.rows])[0]))
    told = f"{100 * values.mean():.1f} % right [{low:.1f}, {high:.1f}] without the question; chance is {chance:.1f}"
    return Finding(check, Severity.SERIOUS if low > chance + MARGIN else Severity.FINE, found.name, told)


def _length(row: Row) -> list[float]:
    return [float(len(choice)) for choice in row.question.choices]


def _choices(task: Task) -> list[str]:
    sets = [found for found in (task.train, task.test, *task.extra_tests.values()) if found is not None]
    return list({choice: None for found in sets for row in found.rows for choice in row.question.choices})


def _tfidf(task: Task) -> Callable[[Sequence[str]], Any]:
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b")
    words.fit([*_choices(task), *(document.text for document in task.documents)])
    return words.transform  # type: ignore[no-any-return]


def _vectors(task: Task, vectors: Callable[[Sequence[str]], Any]) -> tuple[dict[str, int], Any]:
    choices = _choices(task)
    return {choice: number for number, choice in enumerate(choices)}, vectors(choices)


def _documents(task: Task, vectors: Callable[[Sequence[str]], Any]) -> Any:
    return vectors([document.text for document in task.documents])


def _learnt(train: Sequence[Row], place: dict[str, int], known: Any) -> Score:
    """Right or wrong as a logistic regression tells from the look of a choice."""
    from sklearn.linear_model import LogisticRegression

    numbers = [place[choice] for row in train for choice in row.question.choices]
    right = [at == row.gold for row in train for at in range(len(row.question.choices))]
    odds = LogisticRegression(C=10.0, max_iter=1000).fit(known[numbers], right).decision_function(known)
    return _looked_up(place, odds)


def _looked_up(place: dict[str, int], scores: Any) -> Score:
    return lambda row: [float(scores[place[choice]]) for choice in row.question.choices]
