"""Who was right where: the arrays of one question set that every filter and count is made of.

They are made once for each set of a run and stay in memory: some 10 bytes for each answer.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from harness.cell import LATENCY_WARM_UP
from harness.codec import chosen, decode_answers
from harness.confidence import log_odds, shares
from harness.errors import StoreError
from harness.stats import MANY_CLUSTERS, Clusters, Floats, Ints, encode, interval, mean_interval, ratio, resampled
from harness.store import read_parts
from harness.view.columns import Mask, Parts, containing, ends_of, equal_to, flat, hits, place_of_text, texts

WRONG, RIGHT, MIXED = 0, 1, 2
"""Of a row: no seed is right, every one, or some."""
States = npt.NDArray[np.int8]
HELD_SEARCHES = 16


class Given(NamedTuple):
    """What the store has of one cell's answers to a set."""

    seed: int | None
    parts: Parts
    scores_only_rank: bool
    alone_s: Sequence[float]
    """Of rows that were also asked one at a time, from the first on that did not warm up (see `cell.Cell`)."""


@dataclass(frozen=True, slots=True)
class Seed:
    """One cell's answers to a set."""

    number: int | None
    """None where the arm has no seed."""
    parts: Parts
    chosen: npt.NDArray[np.int32]
    """[n]"""
    right: Mask
    """[n]"""
    hit: States | None
    """See `columns.hits`; None for an arm that reads no documents."""
    scores_only_rank: bool
    """Whether softmax of its scores means nothing."""
    alone: Mapping[int, float]
    """Place of a row that was also asked alone -> seconds."""

    def odds(self) -> Floats:
        """How sure it is of each answer, as log-odds: [n]."""
        scores, lengths = flat(self.parts.column("scores"))
        return log_odds(shares(scores, lengths, self.chosen), lengths, self.chosen)


@dataclass(frozen=True, slots=True)
class ArmIndex:
    name: str
    seeds: tuple[Seed, ...]

    def of(self, seed: int | None) -> tuple[Seed, ...]:
        """The cells that are looked at: of this seed, or of all; what has no seed is always."""
        return tuple(each for each in self.seeds if seed is None or each.number in (None, seed))


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Shares of 1, with the 95 % cluster-bootstrap interval; None where there is nothing, or no such interval."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SetIndex:
    """A question set, and what every arm that was asked it answered."""

    name: str
    parts: Parts
    gold: Ints
    """[n]"""
    groups: Mapping[str, tuple[tuple[str, ...], npt.NDArray[np.int16]]]
    """Protected attribute -> its values, and which one each row has, -1 for none: [n]."""
    names: tuple[str, ...]
    """The attributes that the task calls groups; rows of suites carry other marks too."""
    arms: Mapping[str, ArmIndex]
    abstain: str | None
    """The answer that says that there is none."""
    beside: Mapping[str, Parts]
    """The questions of all sets of the task."""
    _odds: dict[tuple[str, int | None], Floats] = field(default_factory=dict, repr=False)
    _states: dict[tuple[str, int | None], States] = field(default_factory=dict, repr=False)
    _searched: OrderedDict[str, Mask] = field(default_factory=OrderedDict, repr=False)

    def __len__(self) -> int:
        return len(self.gold)

    @cached_property
    def ends(self) -> Ints:
        return ends_of(self.parts, "gold")

    @cached_property
    def clusters(self) -> Clusters:
        (found,) = encode(texts(self.parts, "cluster"))
        return found

    @cached_property
    def twins(self) -> Clusters | None:
        """Sets of twins as numbers, a row that is in none being its own; None where there are none."""
        names = texts(self.parts, "twin")
        if not any(names):
            return None
        (found,) = encode([f"row {place}" if name is None else f"twin {name}" for place, name in enumerate(names)])
        return found

    @cached_property
    def twinned(self) -> Mask:
        """Rows that have a twin: [n]."""
        if self.twins is None:
            return np.zeros(len(self), dtype=bool)
        return np.asarray(np.bincount(self.twins.codes)[self.twins.codes] > 1)

    @cached_property
    def abstaining(self) -> Ints:
        """The place of the answer that abstains among a row's choices, -1 where it is none of them: [n]."""
        return place_of_text(self.parts.column("choices"), self.abstain)

    def odds(self, arm: str, cell: Seed) -> Floats:
        """See `Seed.odds`; pages of one filter read them once."""
        key = (arm, cell.number)
        if key not in self._odds:
            self._odds[key] = cell.odds()
        return self._odds[key]

    @property
    def reads(self) -> bool:
        """Whether any arm reads documents."""
        return any(cell.hit is not None for arm in self.arms.values() for cell in arm.seeds)

    def states(self, arm: str, seed: int | None) -> States:
        """`WRONG`, `RIGHT` or `MIXED` for every row: [n]."""
        key = (arm, seed)
        if key not in self._states:
            right = np.stack([each.right for each in self.arms[arm].of(seed)])
            found = np.where(right.all(axis=0), RIGHT, np.where(right.any(axis=0), MIXED, WRONG))
            self._states[key] = found.astype(np.int8)
        return self._states[key]

    def answering(self, seed: int | None) -> list[str]:
        """Arms that have answers of this seed, or have no seeds."""
        return [name for name, arm in self.arms.items() if arm.of(seed)]

    def differing(self, seed: int | None) -> Mask:
        """Rows on which arms are not all right, all wrong or all mixed: [n]."""
        states = [self.states(arm, seed) for arm in self.answering(seed)]
        found = np.zeros(len(self), dtype=bool)
        for each in states[1:]:
            found |= each != states[0]
        return found

    def share(self, arm: str, seed: int | None) -> Floats:
        """Of the seeds that are looked at, how many are right: [n]."""
        found: Floats = np.mean([each.right for each in self.arms[arm].of(seed)], axis=0)
        return found

    @cached_property
    def accuracies(self) -> Mapping[tuple[str, int | None], Accuracy]:
        """(arm, seed) -> its accuracy, (arm, None) -> that over all its seeds; drawn at once, for draws cost most."""
        keys: list[tuple[str, int | None]] = [(name, None) for name in self.arms]
        keys += [(name, each.number) for name, arm in self.arms.items() for each in arm.seeds if len(arm.seeds) > 1]
        shares = np.array([self.share(*key) for key in keys])
        if self.clusters.count < MANY_CLUSTERS:
            sums, sizes = self.clusters.sums(shares.T), self.clusters.sums(np.ones((len(self), 1)))
            draws = resampled(self.clusters.count, lambda weights: ratio(weights @ sums, weights @ sizes))
            intervals = [interval(own) for own in np.broadcast_to(draws.T, (len(keys), draws.shape[0]))]
        else:
            intervals = [mean_interval(share, self.clusters) for share in shares]
        return {
            key: Accuracy(float(share.mean()) if len(self) else None, *map(_known, ends))
            for key, share, ends in zip(keys, shares, intervals, strict=True)
        }

    def accuracy(self, arm: str, seed: int | None) -> Accuracy:
        known = self.accuracies
        return known[arm, seed] if (arm, seed) in known else known[arm, None]

    def timed(self, arm: str, seed: int | None) -> Mask:
        """Rows that were also asked alone: [n]."""
        places = [place for cell in self.arms[arm].of(seed) for place in cell.alone]
        return np.isin(np.arange(len(self)), places)

    def flips(self, arm: str, seed: int | None) -> Mask:
        """Rows of twin sets that some seed answers in more than one way: [n]."""
        found = np.zeros(len(self), dtype=bool)
        for each in self.arms[arm].of(seed):
            found |= self.flipped(each)
        return found

    def flipped(self, cell: Seed) -> Mask:
        """The same of one seed: [n]."""
        if self.twins is None:
            return np.zeros(len(self), dtype=bool)
        first = np.full(self.twins.count, -1)
        first[self.twins.codes[::-1]] = cell.chosen[::-1]
        odd = np.zeros(self.twins.count, dtype=bool)
        odd[self.twins.codes[cell.chosen != first[self.twins.codes]]] = True
        found: Mask = odd[self.twins.codes]
        return found

    def containing(self, text: str) -> Mask:
        """Rows with this text in their question, in whatever case, or with this id: [n]; its pages search but once."""
        if text not in self._searched:
            found = containing(self.parts.column("content"), text) | equal_to(self.parts.column("id"), text)
            self._searched[text] = found
            while len(self._searched) > HELD_SEARCHES:
                self._searched.popitem(last=False)
        return self._searched[text]

    def in_group(self, name: str, value: str | None = None) -> Mask:
        """Rows marked with this value, or with any: [n]."""
        values, codes = self.groups[name]
        mask: Mask = codes >= 0 if value is None else codes == values.index(value)
        return mask


def index_set(
    name: str,
    sets: Mapping[str, Parts],
    groups: Sequence[str],
    arms: Mapping[str, Sequence[Given]],
    abstain: str | None,
) -> SetIndex:
    """`sets`: the questions of all; `arms`: what each gave, seed by seed; `StoreError` for damaged parts."""
    questions = sets[name]
    gold = np.concatenate([np.asarray(np.from_dlpack(part), dtype=np.int64) for part in questions.column("gold")])
    found = {}
    for arm, cells in arms.items():
        seeds = tuple(_seed(cell, questions, gold) for cell in cells)
        found[arm] = ArmIndex(arm, seeds)
    return SetIndex(name, questions, gold, _groups(questions, len(gold)), tuple(groups), found, abstain, sets)


def _seed(given: Given, questions: Parts, gold: Ints) -> Seed:
    parts = given.parts
    contents = read_parts(parts.root, parts.names)
    if contents is None:
        raise StoreError("stored answers are damaged; run the same command again")
    answers = chosen(decode_answers(contents).scores)
    hit = hits(parts.column("passages"), questions.column("evidence"))
    first = LATENCY_WARM_UP if len(gold) > LATENCY_WARM_UP else 0
    alone = dict(enumerate(given.alone_s, first))
    return Seed(given.seed, parts, answers.astype(np.int32), answers == gold, hit, given.scores_only_rank, alone)


def _known(end: float) -> float | None:
    return None if np.isnan(end) else end


def _groups(questions: Parts, n: int) -> dict[str, tuple[tuple[str, ...], npt.NDArray[np.int16]]]:
    """Few combinations occur: each is read once."""
    numbers: dict[str, int] = {}
    kinds = np.array([numbers.setdefault(text, len(numbers)) for text in texts(questions, "groups")], dtype=np.int64)
    read: list[dict[str, str]] = [json.loads(text) for text in numbers]
    found = {}
    for name in dict.fromkeys(key for each in read for key in each):
        values = tuple(sorted({each[name] for each in read if name in each}))
        codes = np.array([values.index(each[name]) if name in each else -1 for each in read], dtype=np.int16)
        found[name] = (values, codes[kinds] if n else np.empty(0, np.int16))
    return found
