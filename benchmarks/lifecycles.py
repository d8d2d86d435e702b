"""Hosted training and paid answers under faults and kills: how often is anything paid for twice?

`python -m benchmarks.lifecycles [COUNT [SEED [SERVICE]]]` from the root of the tree; 1,000 take about 20 minutes
on two busy cores.
"""

from __future__ import annotations

import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.support.lifecycles import Ended, many
from tests.support.services import OPENAI, SERVICES


def main() -> None:
    given = [int(text) for text in sys.argv[1:3]]
    services = {each.name: each for each in SERVICES if each.lived}
    service = services[sys.argv[3]] if sys.argv[3:] else OPENAI
    count, seed = (*given, *(1000, 0)[len(given) :])
    done: list[Ended] = []

    def told(ended: Ended) -> None:
        done.append(ended)
        if not ended.sound:
            print(f"{len(done) - 1}: {ended}", flush=True)
        if len(done) % 100 == 0:
            print(f"{len(done)} done, {sum(each.sound for each in done)} sound", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        many(Path(folder), count, seed, service, told)
    print(f"{len(done)} lifecycles, seed {seed}: {dict(Counter(each.outcome for each in done))}")
    print(f"{sum(each.attempts for each in done)} processes, {sum(each.kills for each in done)} of them killed")
    print(
        f"{max(each.jobs for each in done)} jobs at most for a cell; {sum(each.got_twice for each in done)} paid twice"
    )
    print(f"{sum(each.asked_again > 0 for each in done)} with calls that no answer or doubt explains")
    print(f"{sum(each.exact for each in done)} spent to the cent what the server counts, all others within their doubt")
    print(f"{sum(each.released for each in done)} times a person was asked to look")
    print(f"{sum(each.sound for each in done)} sound")


if __name__ == "__main__":
    main()
