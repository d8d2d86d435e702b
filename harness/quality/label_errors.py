"""Labels that are likely wrong: what confident learning makes of a classifier that has not seen the row.

Northcutt, Jiang, Chuang (2021, JAIR, "Confident learning: estimating uncertainty in dataset labels"), by `cleanlab`.
Choices that questions bring themselves are not looked at: they are no classes whose noise could be estimated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from harness.quality.findings import Asked, Finding, Place, Severity, asked, counted, of_rows
from harness.types import Task

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

FOLDS = 5
CHECK = "likely label errors"


def findings(task: Task) -> Iterator[Finding]:
    """Over all sets at once, for wrong labels of a test set matter most and are fewest."""
    from cleanlab.filter import find_label_issues

    places = [(found.name, row) for found in asked(task) for row in found.rows]
    places, left_out = _of_frequent_labels(places)
    told = (
        f"; {counted(left_out, 'question')} of labels with fewer than {FOLDS} clusters not looked at"
        if left_out
        else ""
    )
    labels = _numbered([row.gold for _, row in places])
    if len(set(labels.tolist())) < 2:
        yield Finding(CHECK, Severity.FINE, "all", "too few questions to tell" + told)
        return
    probabilities = _out_of_fold(places, labels)
    # By class: of what planted errors showed, it found most; see docs/tasks.md.
    order = find_label_issues(
        labels,
        probabilities,
        filter_by="prune_by_class",
        return_indices_ranked_by="self_confidence",
        n_jobs=1,
    )
    doubted = [Asked.at(places[number]) for number in order]
    share = f"{len(doubted)} of {len(places):,} questions ({len(doubted) / len(places):.1%}), most doubtful first"
    yield of_rows(CHECK, Severity.NOTICE, doubted, share + told)


def _of_frequent_labels(places: list[Place]) -> tuple[list[Place], int]:
    """Those of labels that every fold can learn, and how many are left out."""
    clusters: dict[int, set[str]] = {}
    for _, row in places:
        clusters.setdefault(row.gold, set()).add(row.cluster)
    kept = [place for place in places if len(clusters[place[1].gold]) >= FOLDS]
    return kept, len(places) - len(kept)


def _numbered(values: list[Any]) -> Ints:
    import numpy as np

    return np.unique(np.array(values), return_inverse=True)[1]


def _out_of_fold(places: list[Place], labels: Ints) -> npt.NDArray[np.float64]:
    """Probabilities of a logistic regression on TF-IDF that was trained without the row's cluster, [n, labels].

    By gradient descent: on `banking77` (77 labels, 10,003 questions) 17 s instead of 73 s, and no less right.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    texts = [row.question.text for _, row in places]
    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", dtype=np.float32)
    vectors = words.fit_transform(texts)
    found = np.zeros((len(places), int(labels.max()) + 1))
    clusters = _numbered([row.cluster for _, row in places])
    if int(clusters.max()) + 1 == len(places):  # nothing to keep together; grouping would take 0.5 ms a cluster
        splits = StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(vectors, labels)
    else:
        splits = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0).split(vectors, labels, clusters)
    for trained, held_out in splits:
        model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0).fit(vectors[trained], labels[trained])
        scores = model.predict_proba(vectors[held_out])
        found[held_out[:, None], model.classes_] = scores
    return found
