"""One run in figures, each with the address of the rows behind it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from harness.view.columns import Mask
from harness.view.index import MIXED, RIGHT, WRONG, SetIndex
from harness.view.links import rows_url
from harness.view.runs import RunView

NOTHING = "—"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number as it is shown; without an address there is nothing behind it."""

    text: str
    url: str | None = None
    about: str = ""
    """What the number is, for who cannot see where it stands."""
    beside: str = ""
    """Shown smaller after it: an interval, a count."""


@dataclass(frozen=True, slots=True)
class Line:
    name: str
    figures: tuple[Figure, ...]
    minor: bool = False
    """Of one seed, below its arm."""


@dataclass(frozen=True, slots=True)
class Table:
    title: str
    note: str
    first: str
    """What the lines are."""
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def accuracies(run: RunView, seed: int | None) -> Table:
    """Of every arm on every question set, best on the first set first; arms with several seeds have a line for each."""
    first = run.set(run.sets[0])
    arms = list(dict.fromkeys(cell.arm for cell in run.cells))
    arms = [arm for arm in arms if any(arm in run.set(name).answering(seed) for name in run.sets)]
    arms.sort(key=lambda arm: -_value(first, arm, seed))
    lines = []
    for arm in arms:
        lines.append(Line(arm, tuple(_accuracy(run, name, arm, seed) for name in run.sets)))
        seeds = [cell.seed for cell in run.cells if cell.arm == arm and cell.seed is not None]
        if seed is None and len(seeds) > 1:
            lines += [
                Line(f"seed {each}", tuple(_accuracy(run, name, arm, each) for name in run.sets), minor=True)
                for each in seeds
            ]
    note = "Percent of answers that are right, with 95 % intervals over clusters; a number leads to its rows."
    return Table("Accuracy", note, "arm", tuple(f"{name} ({len(run.set(name)):,})" for name in run.sets), tuple(lines))


def _value(index: SetIndex, arm: str, seed: int | None) -> float:
    return index.accuracy(arm, seed).value or 0.0 if arm in index.answering(seed) else 0.0


def _accuracy(run: RunView, name: str, arm: str, seed: int | None) -> Figure:
    index = run.set(name)
    if arm not in index.answering(seed):
        return Figure(NOTHING, about="not asked")
    found = index.accuracy(arm, seed)
    if found.value is None:
        return Figure(NOTHING, about="no rows")
    interval = (
        f"[{100 * found.low:.1f}, {100 * found.high:.1f}]" if found.low is not None and found.high is not None else ""
    )
    url = rows_url(run.stored.id, set=name, arm=arm, seed=seed)
    return Figure(f"{100 * found.value:.1f}", url, f"accuracy of {arm} on {name}", interval)


def tables(run: RunView, index: SetIndex, seed: int | None) -> list[Table]:
    """What one question set shows, but for what there is nothing of."""
    found = [_outcomes(run, index, seed), _pairs(run, index, seed), _read(run, index, seed), _flips(run, index, seed)]
    found += [_group(run, index, seed, name) for name in index.groups if name in index.names]
    return [table for table in found if table.lines]


def agreement(run: RunView, index: SetIndex, seed: int | None) -> list[Figure]:
    """How many questions all arms answer alike."""
    if len(index.answering(seed)) < 2:
        return []
    states = np.stack([index.states(arm, seed) for arm in index.answering(seed)])
    counts = [
        ("some arm right, another not", index.differing(seed), {"differ": "1"}),
        ("every arm right", (states == RIGHT).all(axis=0), {"right": "1"}),
        ("every arm wrong", (states == WRONG).all(axis=0), {"right": "0"}),
    ]
    return [
        Figure(f"{int(mask.sum()):,}", rows_url(run.stored.id, set=index.name, seed=seed, **query), words)
        for words, mask, query in counts
    ]


def _outcomes(run: RunView, index: SetIndex, seed: int | None) -> Table:
    """How many rows each arm answers right and wrong."""
    arms = index.answering(seed)
    several = any(len(index.arms[arm].of(seed)) > 1 for arm in arms)
    words = {"1": ("right", RIGHT), "0": ("wrong", WRONG), **({"mixed": ("seeds differ", MIXED)} if several else {})}
    lines = [
        Line(
            arm,
            tuple(
                _counted(run, index, index.states(arm, seed) == state, f"{word}: {arm}", arm=arm, right=key, seed=seed)
                for key, (word, state) in words.items()
            ),
        )
        for arm in arms
    ]
    note = "Right and wrong are of every seed." if several else ""
    return Table("Right and wrong", note, "arm", tuple(word for word, _ in words.values()), tuple(lines))


def _pairs(run: RunView, index: SetIndex, seed: int | None) -> Table:
    arms = index.answering(seed)
    lines = []
    for one in arms if len(arms) > 1 else ():
        right = index.states(one, seed) == RIGHT
        figures = []
        for other in arms:
            mask, about = right & (index.states(other, seed) == WRONG), f"{one} right, {other} wrong"
            same = Figure(NOTHING, about="the same arm")
            figures.append(same if one == other else _count(run, index, mask, about, one, other, seed))
        lines.append(Line(one, tuple(figures)))
    note = "Questions that the arm of the line answers right and that of the column wrong."
    return Table(
        "One right, the other wrong", note, "right", tuple(f"{run.short(arm)} wrong" for arm in arms), tuple(lines)
    )


def _count(run: RunView, index: SetIndex, mask: Mask, about: str, better: str, worse: str, seed: int | None) -> Figure:
    count = int(mask.sum())
    url = rows_url(run.stored.id, set=index.name, better=better, worse=worse, seed=seed)
    return Figure(f"{count:,}", url if count else None, about)


def _read(run: RunView, index: SetIndex, seed: int | None) -> Table:
    """Retrieval and answer, of the arms that read documents, over the rows whose evidence the task names."""
    lines = []
    for arm in index.answering(seed):
        cells = [cell for cell in index.arms[arm].of(seed) if cell.hit is not None]
        if not cells or not any((cell.hit >= 0).any() for cell in cells if cell.hit is not None):
            continue
        hit = np.stack([cell.hit for cell in cells if cell.hit is not None])
        figures = []
        for word, wanted, right, state in (
            ("hit and right", 1, "1", RIGHT),
            ("hit but wrong", 1, "0", WRONG),
            ("miss but right", 0, "1", RIGHT),
            ("miss and wrong", 0, "0", WRONG),
        ):
            mask = (hit == wanted).all(axis=0) & (index.states(arm, seed) == state)
            about = f"{word}: {arm}"
            figures.append(_counted(run, index, mask, about, arm=arm, hit=str(wanted), right=right, seed=seed))
        lines.append(Line(arm, tuple(figures)))
    columns = ("hit and right", "hit but wrong", "miss but right", "miss and wrong")
    note = "Hit: a document that holds the answer was among those read."
    return Table("Retrieval and answer", note, "arm", columns, tuple(lines))


def _flips(run: RunView, index: SetIndex, seed: int | None) -> Table:
    arms = index.answering(seed) if index.twins is not None else []
    lines = [
        Line(arm, (_counted(run, index, index.flips(arm, seed), f"flips of {arm}", arm=arm, flip="1", seed=seed),))
        for arm in arms
    ]
    note = "Rows of a question that is answered otherwise when it is asked about another person."
    return Table("Flips", note, "arm", ("rows",), tuple(lines))


def _group(run: RunView, index: SetIndex, seed: int | None, name: str) -> Table:
    """Accuracy by the values of one protected attribute, and how many answers there are wrong."""
    values, codes = index.groups[name]
    lines = [
        Line(arm, tuple(_of_values(run, index, arm, seed, name, values, [codes == n for n in range(len(values))])))
        for arm in index.answering(seed)
    ]
    counts = [int((codes == number).sum()) for number in range(len(values))]
    columns = tuple(f"{value} ({count:,})" for value, count in zip(values, counts, strict=True))
    return Table(
        f"Accuracy by {name}",
        "Percent of answers that are right, and questions answered wrong.",
        "arm",
        columns,
        tuple(lines),
    )


def _of_values(
    run: RunView, index: SetIndex, arm: str, seed: int | None, name: str, values: Sequence[str], masks: Sequence[Mask]
) -> Iterator[Figure]:
    share, wrong = index.share(arm, seed), index.states(arm, seed) == WRONG
    for value, mask in zip(values, masks, strict=True):
        url = rows_url(run.stored.id, set=index.name, arm=arm, right="0", group=f"{name}:{value}", seed=seed)
        text = f"{100 * float(share[mask].mean()):.1f}"
        count = int((wrong & mask).sum())
        yield Figure(text, url if count else None, f"{arm}, {value}: wrong answers", f"{count:,} wrong")


def _counted(run: RunView, index: SetIndex, mask: Mask, about: str, **query: str | int | None) -> Figure:
    """A count, and its share of all rows."""
    count = int(mask.sum())
    share = f"{100 * count / len(index):.1f} %" if len(index) else ""
    url = rows_url(run.stored.id, set=index.name, **query) if count else None
    return Figure(f"{count:,}", url, about, share)
