"""Comparing ten arms on 100,000 answers each: every pair, 10,000 resamples; beside `scipy.stats.bootstrap` on one pair.

    python benchmarks/comparisons.py [--arms 10] [--answers 100000] [--peer-resamples 1000] [--json]

Ours draws every arm's resamples once, takes every pair's interval from them and tests every pair by sign flips. The
peer gives one interval of one paired difference, without a test; its time is for `--peer-resamples` of them, from
which that of 10,000 is projected (its cost is linear in them), times the number of pairs.
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import sys
import time
from typing import Any

import numpy as np
from scipy.stats import bootstrap

from harness.compare.metrics import Accuracy
from harness.compare.pairs import difference
from harness.compare.samples import sampled
from harness.compare.significance import p_value

RESAMPLES, MARGIN = 10_000, 0.02


def simulated(arms: int, answers: int) -> list[np.ndarray]:
    """Right or wrong, [1 seed, answers, (right, count)] for each arm: questions are hard for all arms alike."""
    random = np.random.default_rng(0)
    easy = random.normal(size=answers)
    right = [(easy + random.normal(size=answers) + arm / 10 > 0).astype(float) for arm in range(arms)]
    return [np.stack([each, np.ones(answers)], axis=-1)[None] for each in right]


def ours(given: list[np.ndarray]) -> dict[str, Any]:
    metric, answers = Accuracy(), given[0].shape[1]
    wall, cpu = time.perf_counter(), time.process_time()
    found = sampled(given, metric, RESAMPLES)
    pairs = list(itertools.combinations(found, 2))
    intervals = [difference(a, b, MARGIN, answers) for a, b in pairs]
    for a, b in pairs:
        p_value(a, b, metric)
    return {
        "pairs": len(pairs),
        "wall_s": time.perf_counter() - wall,
        "cpu_s": time.process_time() - cpu,
        "peak_bytes": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "first_interval": [intervals[0].low, intervals[0].high],
    }


def peer(given: list[np.ndarray], resamples: int) -> dict[str, Any]:
    change = given[0][0, :, 0] - given[1][0, :, 0]
    wall = time.perf_counter()
    found = bootstrap((change,), np.mean, n_resamples=resamples, method="percentile", batch=100, rng=0)
    return {"wall_s": time.perf_counter() - wall, "interval": [*map(float, found.confidence_interval)]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--arms", type=int, default=10)
    parser.add_argument("--answers", type=int, default=100_000)
    parser.add_argument("--peer-resamples", type=int, default=1_000)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    given = simulated(arguments.arms, arguments.answers)
    own = ours(given)
    theirs = peer(given, arguments.peer_resamples)
    projected = theirs["wall_s"] * RESAMPLES / arguments.peer_resamples * own["pairs"]
    result = {"ours": own, "scipy_one_pair": theirs, "scipy_projected_s": projected, "times": projected / own["wall_s"]}
    if arguments.json:
        json.dump(result, sys.stdout, indent=2)
        return
    print(f"ours: {own['pairs']} pairs in {own['wall_s']:.1f} s ({own['peak_bytes'] / 2**20:.0f} MiB in all)")
    print(f"scipy.stats.bootstrap: one interval of {arguments.peer_resamples} resamples in {theirs['wall_s']:.1f} s")
    print(f"projected to all of it: {projected:.0f} s, {result['times']:.0f} times as long")
    print(f"interval of the first pair: ours {own['first_interval']}, theirs {theirs['interval']}")


if __name__ == "__main__":
    main()
