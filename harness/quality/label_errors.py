"""Labels that are likely wrong: what confident learning makes of a classifier that has not seen the row.

Northcutt, Jiang, Chuang (2021, JAIR, "Confident learning: estimating uncertainty in dataset labels"), by `cleanlab`:
how many labels are wrong, and how sure the classifier is of a label where that is given. Rows are named by the odds of
the label that it would rather give; where to stop is read off the errors that would have been found (see `_cut`).
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

    Bools = npt.NDArray[np.bool_]
    Floats = npt.NDArray[np.float64]
    Ints = npt.NDArray[np.int64]

FOLDS = 5
CHECK = "likely label errors"
WANTED = 0.975
"""Share of label errors, if they fall on all rows and labels alike, that are to be named. A little more than the 0.95
that is meant, since the rows that it is read off are those believed to be right, which are the easier ones."""
LEAST = 1e-9
"""Probability below which none is told from another."""


def findings(task: Task) -> Iterator[Finding]:
    """Over all sets at once, for wrong labels of a test set matter most and are fewest."""
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
    order, wrong = doubted([row.question.text for _, row in places], labels, _numbered([r.cluster for _, r in places]))
    named = [Asked.at(places[number]) for number in order]
    share = (
        f"{len(named)} of {len(places):,} questions ({len(named) / len(places):.1%}), most doubtful first; "
        f"about {wrong:,} are estimated to be wrong"
    )
    yield of_rows(CHECK, Severity.NOTICE, named, share + told)


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


def doubted(texts: list[str], labels: Ints, clusters: Ints) -> tuple[Ints, int]:
    """Rows whose labels [n], numbered from 0, are doubted, most doubtful first; and how many are estimated to be wrong.

    Learnt twice, in other folds: the second time without the rows that the first would call wrong, for those teach
    their errors to others.
    """
    import numpy as np
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(sublinear_tf=True, ngram_range=(1, 2), token_pattern=r"(?u)\b\w+\b", dtype=np.float32)
    vectors = words.fit_transform(texts)
    first = _out_of_fold(vectors, labels, clusters, np.ones(len(labels), dtype=bool), 0)
    sound = np.ones(len(labels), dtype=bool)
    sound[_most_doubtful(_doubts(labels, first), labels, _wrong(labels, first))] = False
    both = (first + _out_of_fold(vectors, labels, clusters, sound, 1)) / 2
    wrong = _wrong(labels, both)
    doubts = _doubts(labels, both)
    cut = _cut(doubts, labels, wrong)
    own = doubts[np.arange(len(labels)), labels]
    return _most_doubtful(doubts, labels, int((own > cut).sum())), wrong


def _out_of_fold(vectors: Any, labels: Ints, clusters: Ints, taught: Bools, seed: int) -> Floats:
    """Probabilities of a logistic regression that was trained without the row's cluster, [n, labels], on rows that are
    `taught` [n]; on all of a fold where one of its labels would be taught nowhere.

    By gradient descent: on `banking77` (77 labels, 10,003 questions) 17 s instead of 73 s, and no less right.
    """
    import numpy as np
    from sklearn.linear_model import SGDClassifier
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    found = np.zeros((len(labels), int(labels.max()) + 1))
    if int(clusters.max()) + 1 == len(labels):  # nothing to keep together; grouping would take 0.5 ms a cluster
        splits = StratifiedKFold(FOLDS, shuffle=True, random_state=seed).split(vectors, labels)
    else:
        splits = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(vectors, labels, clusters)
    for trained, held_out in splits:
        kept = trained[taught[trained]]
        if len(np.unique(labels[kept])) < len(np.unique(labels[trained])):
            kept = trained
        model = SGDClassifier(loss="log_loss", alpha=1e-5, random_state=0).fit(vectors[kept], labels[kept])
        found[held_out[:, None], model.classes_] = model.predict_proba(vectors[held_out])
    return found


def _wrong(labels: Ints, probabilities: Floats) -> int:
    """How many labels are wrong, by the confident joint."""
    from cleanlab.count import num_label_issues

    return int(num_label_issues(labels, probabilities, estimation_method="off_diagonal_calibrated"))


def _doubts(labels: Ints, probabilities: Floats) -> Floats:
    """How much every label would be doubted if it were given, [n, labels]: log-odds of the best of the other labels
    against it, above 0 where that is better.

    Each probability is taken as a share of the mean that its label has where it is given, since labels are not all
    equally easy. A row is not doubted because its label has a low probability: so it has where a row is merely hard.
    """
    import numpy as np
    from cleanlab.count import get_confident_thresholds

    usual = np.maximum(get_confident_thresholds(labels, probabilities), LEAST)
    logs = np.log(np.maximum(probabilities, LEAST) / usual)
    second, best = np.partition(logs, -2, axis=1)[:, -2:].T
    doubts: Floats = best[:, None] - logs
    rows = np.arange(len(labels))
    doubts[rows, logs.argmax(axis=1)] = second - best
    return doubts


def _cut(doubts: Floats, labels: Ints, wrong: int) -> float:
    """How much a label must be doubted to be named.

    A row was no part of what its probabilities were learnt from, so they tell how much any other label of it would be
    doubted. `WANTED` of these, over all rows but those that are taken for wrong, are above the cut. At least 0: no
    label is doubted that the classifier would give itself.
    """
    import numpy as np

    sound = np.ones(len(labels), dtype=bool)
    sound[_most_doubtful(doubts, labels, wrong)] = False
    others = doubts[sound][np.arange(doubts.shape[1]) != labels[sound][:, None]]
    return max(0.0, float(np.quantile(others, 1 - WANTED))) if len(others) else 0.0


def _most_doubtful(doubts: Floats, labels: Ints, count: int) -> Ints:
    """So many rows by the doubt about their own label, those that are not doubted left out."""
    import numpy as np

    own = doubts[np.arange(len(labels)), labels]
    order = np.argsort(-own, kind="stable")[:count]
    found: Ints = order[own[order] > 0]
    return found
