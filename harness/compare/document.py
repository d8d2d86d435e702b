"""Arms' evidence -> what the report says of their differences."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.compare.metrics import METRICS, Metric, sums
from harness.compare.pairs import ALIKE, PERCENT, difference, in_points
from harness.compare.samples import Samples, sampled
from harness.compare.selection import select
from harness.compare.significance import holm, p_value
from harness.evidence import Evidence
from harness.request import MARGIN
from harness.stats import LEAST_CLUSTERS


@dataclass(frozen=True, slots=True)
class Compared:
    """Differences, intervals and margins are in points."""

    comparisons: list[dict[str, Any]] | None
    """On the test set and every further one; None where there was nothing to compare."""
    selection: dict[str, Any] | None
    """By question set: which arm is best there, and how sure that is."""
    ties: Mapping[str, list[str]]
    """The name of the test set's best arm -> those not separated from it."""
    pair: Callable[[str, str, str], dict[str, Any] | None]
    """Any two arms on a question set, told as a comparison is; None where they were not compared."""


def compared(arms: Sequence[Evidence], margin: float = MARGIN) -> Compared:
    """All that a report says of these arms' differences.

    Every arm is compared with its base (that of the same backend and model), with the best, and with its like on
    other backends; p-values are corrected (Holm) for all pairs of the set, for the data say which one is best.
    """
    comparisons: list[dict[str, Any]] = []
    selection: dict[str, Any] = {}
    ties: dict[str, list[str]] = {}
    families: dict[str, _Family] = {}
    task = arms[0].task if arms else None
    for name in ("test", *(task.extra_tests if task else ())):
        asked = [arm.focus(name) for arm in arms]
        asked = [arm for arm in asked if arm.answered and arm.rows]
        if len(asked) < 2 or len(set(asked[0].column("cluster"))) < LEAST_CLUSTERS:
            continue
        family = _Family(asked, METRICS[asked[0].task.primary], margin)
        comparisons += [{**told, "set": name} for told in family.told]
        selection[name] = family.selection()
        if name == "test":
            ties = family.ties()
        families[name] = family

    def pair(a: str, b: str, of: str) -> dict[str, Any] | None:
        return families[of].pair(a, b) if of in families else None

    return Compared(comparisons or None, selection or None, ties, pair)


class _Family:
    """All pairs of arms on one question set."""

    def __init__(self, arms: Sequence[Evidence], metric: Metric, margin: float) -> None:
        self.arms, self.metric, self.margin = arms, metric, margin
        self.samples: list[Samples] = sampled([sums(metric, arm) for arm in arms], metric)
        self.chosen = select(self.samples)
        pairs = list(itertools.combinations(range(len(arms)), 2))
        found = [p_value(self.samples[a], self.samples[b], metric) for a, b in pairs]
        adjusted = holm([p for p, _ in found])
        self.p: Mapping[tuple[int, int], tuple[float, float, str]] = {
            pair: (p, corrected, test) for pair, (p, test), corrected in zip(pairs, found, adjusted, strict=True)
        }
        self.told = [self._told(a, b) for a, b in self._reported()]

    def _reported(self) -> list[tuple[int, int]]:
        """Pairs (arm, reference), each once: with its base, with the best, with its like elsewhere."""
        found: dict[frozenset[int], tuple[int, int]] = {}
        for a in range(len(self.arms)):
            like = [b for b in range(a) if self._alike(a, b)]
            for b in (self._base(a), self.chosen.best, *like):
                if b is not None and b != a:
                    found.setdefault(frozenset((a, b)), (a, b))
        return list(found.values())

    def _base(self, a: int) -> int | None:
        own = self.arms[a].arm
        bases = [b for b, other in enumerate(self.arms) if other.arm.strategy == "base"]
        same = [b for b in bases if own.based_on(self.arms[b].arm)]
        return next(iter(same or bases), None)

    def _alike(self, a: int, b: int) -> bool:
        one, other = self.arms[a].arm, self.arms[b].arm
        return (one.strategy, one.model) == (other.strategy, other.model) and one.backend != other.backend

    def _told(self, a: int, b: int) -> dict[str, Any]:
        p, adjusted, test = self.p[min(a, b), max(a, b)]
        found = difference(self.samples[a], self.samples[b], self.margin / PERCENT, len(self.arms[a].rows))
        said = in_points(found, p, adjusted, test)
        return {
            "a": self.arms[a].arm.name,
            "b": self.arms[b].arm.name,
            "measure": self.metric.name,
            **said,
            "margin": self.margin,
            "more_questions": found.more_questions if said["verdict"] == "not separated" else None,
            "seeds": [len(self.samples[a].seeds), len(self.samples[b].seeds)],
        }

    def pair(self, a: str, b: str) -> dict[str, Any] | None:
        """By name, in either order: what `told` has of the pairs that are reported."""
        places = [place for name in (a, b) for place, arm in enumerate(self.arms) if arm.arm.name == name]
        return self._told(*places) if len(places) == 2 and places[0] != places[1] else None

    def ties(self) -> dict[str, list[str]]:
        """The best arm, and those not separated from it."""
        best = self.arms[self.chosen.best].arm.name
        pairs = [({told["a"], told["b"]}, told["verdict"]) for told in self.told]
        named = [arm.arm.name for arm in self.arms]
        return {best: [name for name in named if any(pair == {name, best} and said in ALIKE for pair, said in pairs)]}

    def selection(self) -> dict[str, Any]:
        best = self.chosen.best
        return {
            "measure": self.metric.name,
            "best": self.arms[best].arm.name,
            "value": self.samples[best].value * PERCENT,
            "corrected": self.chosen.corrected * PERCENT,
            "p_best": {arm.arm.name: p for arm, p in zip(self.arms, self.chosen.p_best, strict=True)},
        }
