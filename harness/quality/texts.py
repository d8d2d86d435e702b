"""Questions whose text is no question: nothing to read, only signs, far too long or too short."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from harness.quality.findings import Asked, Finding, Severity, asked, counted, of_rows
from harness.types import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

FAR = 3.5
"""Modified z-score from which a value is an outlier (Iglewicz, Hoaglin 1993, "How to detect and handle outliers")."""
LEAST_FACTOR = 3.0
"""How many times longer or shorter than the median a text must be besides: where most texts are of one pattern,
any other length is many deviations away."""


def findings(task: Task, most_tokens: int | None = None) -> Iterator[Finding]:
    import numpy as np

    lengths, names, empty, letterless, cut = [], list[Asked](), list[Asked](), list[Asked](), list[Asked]()
    for found in asked(task):
        for row in found.rows:
            text, name = row.question.text, Asked(found.name, row.question.id)
            if is_empty(text):
                empty.append(name)
                continue
            names.append(name)
            lengths.append(len(text.strip()))
            if not any(map(str.isalpha, text)):
                letterless.append(name)
            if most_tokens is not None and len(text.split()) > most_tokens:
                cut.append(name)
    yield of_rows("empty questions", Severity.SERIOUS, empty, f"{len(empty)} without a letter or a digit")
    yield of_rows("questions without a letter", Severity.NOTICE, letterless, f"{len(letterless)} of digits and signs")
    yield _outliers(names, np.log(np.maximum(lengths, 1)))
    if most_tokens is not None:
        told = f"{len(cut)} have more words than the {most_tokens} tokens that the encoder reads, so their end is lost"
        yield of_rows("questions cut at the encoder's limit", Severity.NOTICE, cut, told)


def is_empty(text: str) -> bool:
    """Whether nothing is asked: blanks, punctuation, invisible characters."""
    return not any(map(str.isalnum, text))


def _outliers(names: list[Asked], logs: npt.NDArray[np.float64]) -> Finding:
    import numpy as np

    median = float(np.median(logs)) if names else 0.0
    scores = FAR * np.abs(logs - median) / max(_reach(logs, median), math.log(LEAST_FACTOR))
    order = [int(number) for number in np.argsort(-scores, kind="stable") if scores[number] > FAR]
    far = [names[number] for number in order]
    longer = int((logs[order] > median).sum())
    told = f"{counted(len(far), 'question')} of {len(names):,}: {longer} far longer and {len(far) - longer} far shorter"
    return of_rows(
        "length outliers", Severity.NOTICE, far, f"{told} than the median of {math.exp(median):.0f} characters"
    )


def _reach(logs: npt.NDArray[np.float64], median: float) -> float:
    """How far from the median a log length may lie: by the median deviation, or by quartiles where half have none."""
    import numpy as np

    if not len(logs):
        return 0.0
    deviation = float(np.median(np.abs(logs - median))) / 0.6745
    if deviation == 0:
        low, high = np.percentile(logs, [25, 75])
        deviation = float(high - low) / 1.349
    return FAR * deviation
