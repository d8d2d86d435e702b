"""Answers whose truth is known: arms of planted accuracy on clusters of questions, for proving instruments right."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Right = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class World:
    """A question is answered right where the sum of normal effects is above a threshold (a probit model).

    Effects are of the cluster and of the question, which all arms share, of the arm on the question, of the seed, and
    of the seed on the question; the standard deviations below are theirs. With one seed there is no effect of the seed:
    what is known of that arm is known of this checkpoint.
    """

    accuracies: tuple[float, ...]
    """Of every arm, on new clusters and new seeds: between 0 and 1."""
    seeds: int = 1
    clusters: int = 150
    size: int = 4
    """Questions in each cluster."""
    cluster_sd: float = 0.7
    question_sd: float = 0.8
    arm_sd: float = 0.5
    seed_sd: float = 0.1
    seed_question_sd: float = 0.4

    def draw(self, random: np.random.Generator) -> Right:
        """What was answered right: [arms, seeds, clusters, size]."""
        arms, shape = len(self.accuracies), (self.clusters, self.size)
        shared = random.normal(0, self.cluster_sd, (self.clusters, 1)) + random.normal(0, self.question_sd, shape)
        of_arm = random.normal(0, self.arm_sd, (arms, 1, *shape))
        of_seed = random.normal(0, self._of_seed, (arms, self.seeds, 1, 1))
        chance = random.normal(0, self.seed_question_sd, (arms, self.seeds, *shape))
        right: Right = shared + of_arm + of_seed + chance > self._thresholds[:, None, None, None]
        return right

    def draws(self, count: int, seed: int) -> Iterator[Right]:
        """So many worlds, the same for the same seed."""
        random = np.random.default_rng(seed)
        for _ in range(count):
            yield self.draw(random)

    def raised(self, arm: int, by: float) -> World:
        """The same world with one arm more accurate."""
        changed = (each + by * (place == arm) for place, each in enumerate(self.accuracies))
        return replace(self, accuracies=tuple(changed))

    @property
    def _of_seed(self) -> float:
        return self.seed_sd if self.seeds > 1 else 0.0

    @property
    def _thresholds(self) -> npt.NDArray[np.float64]:
        effects = (self.cluster_sd, self.question_sd, self.arm_sd, self._of_seed, self.seed_question_sd)
        found: npt.NDArray[np.float64] = -np.array(
            [NormalDist().inv_cdf(each) for each in self.accuracies]
        ) * np.hypot.reduce(effects)
        return found
