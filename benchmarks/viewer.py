"""Whether `harness view` stays smooth: time of its pages and memory at 100,000 questions × 5 arms.

    python benchmarks/viewer.py [--rows 100000] [--arms 5] [--repeats 5] [--json]

The store is written with invented words and answers that are right at random; two arms read three documents each. The
server is the command itself, in a process of its own; a request is timed from here, over the loopback, whole. The first
of each page is told beside the median of those that follow: it reads and decompresses what the others find in memory.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from harness.testing.stores import WrittenArm, WrittenTask, write_run
from harness.types import Answers, Document, Question, Row, Text

RUN = "20260101-000000-abcdef"
CHOICES, WORDS, DOCUMENTS, READ = 4, 5_000, 2_000, 3
ROWS_PER_CLUSTER = 2
MIB = 2**20


def rows(count: int) -> Iterator[Row]:
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 10))) for _ in range(WORDS)]
    for number in range(count):
        text = " ".join(draw.choices(words, k=draw.randint(12, 40)))
        choices = tuple(" ".join(draw.choices(words, k=3)) + f" {place}" for place in range(CHOICES))
        question = Question(f"question-{number}", (Text(text),), choices)
        groups = {"gender": draw.choice(("female", "male")), "origin": draw.choice(("north", "south", "west"))}
        evidence = (f"document-{number % DOCUMENTS}",)
        yield Row(question, number % CHOICES, f"c{number // ROWS_PER_CLUSTER}", groups, evidence)


def answers(asked: list[Row], arm: int, reads: bool) -> Answers:
    random = np.random.default_rng(arm)
    scores = random.normal(size=(len(asked), CHOICES)).astype(np.float32)
    scores[np.arange(len(asked)), [row.gold for row in asked]] += 0.5 + arm / 3
    if not reads:
        return Answers(tuple(scores))
    read = random.integers(0, DOCUMENTS, size=(len(asked), READ))
    found = random.random(len(asked)) < 0.8
    read[found, 0] = (np.arange(len(asked)) % DOCUMENTS)[found]
    return Answers(tuple(scores), tuple(tuple(f"document-{name}" for name in names) for names in read))


def write(root: Path, count: int, arms: int) -> None:
    asked = list(rows(count))
    documents = [Document(f"document-{number}", f"what document {number} says " * 20) for number in range(DOCUMENTS)]
    task = WrittenTask({"test": asked}, groups=("gender", "origin"), documents=documents)
    written = [WrittenArm(f"arm{arm}", [{"test": answers(asked, arm, arm >= arms - 2)}]) for arm in range(arms)]
    write_run(root, RUN, task, written)


def pages(arms: int) -> Mapping[str, str]:
    """What is asked for, by what it is."""
    last, found = f"arm{arms - 1}@fake:words", f"/run/{RUN}/rows?"
    return {
        "run": f"/run/{RUN}",
        "rows": found,
        "last page": found + "page=5000",
        "wrong": f"{found}arm={last}&right=0",
        "wrong, one group": f"{found}arm={last}&right=0&group=gender:female",
        "arms differ": f"{found}differ=1",
        "one right, one wrong": f"{found}better=arm0@fake:words&worse={last}",
        "hit but wrong": f"{found}arm={last}&hit=1&right=0",
        "every arm wrong": f"{found}right=0&size=50",
        "search": f"{found}q=qu",
        "search, rare": f"{found}q=zzz",
        "gold answer": f"{found}gold=none",
        "cluster": f"{found}cluster=c40000",
        "row": f"/run/{RUN}/row?set=test&id=question-54321&arm={last}&right=0",
    }


def measured(root: Path, count: int, arms: int, repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "harness", "view", "--store", str(root)]
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split("/run/")[0]
        started = time.perf_counter() - began
        process = psutil.Process(server.pid)
        ready = process.memory_info().rss
        found = {}
        for name, page in pages(arms).items():
            if name == "last page":
                page = page.replace("5000", str(-(-count // 20)))
            seconds, used = zip(*(_request(url + page, process) for _ in range(repeats + 1)), strict=True)
            found[name] = {
                "first_ms": 1000 * seconds[0],
                "median_ms": 1000 * statistics.median(seconds[1:]),
                "first_cpu_ms": 1000 * used[0],
                "mean_cpu_ms": 1000 * statistics.mean(used[1:]),
            }
        held = process.memory_info().rss
        server.terminate()
    return {"started_s": started, "rss_ready_bytes": ready, "rss_bytes": held, "pages": found}


def _request(url: str, server: psutil.Process) -> tuple[float, float]:
    """Seconds until it was answered whole, and CPU seconds of the server meanwhile (in hundredths, as Linux counts)."""
    before, began = server.cpu_times(), time.perf_counter()
    with urllib.request.urlopen(url) as answered:
        answered.read()
    wall, after = time.perf_counter() - began, server.cpu_times()
    return wall, after.user + after.system - before.user - before.system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--arms", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), given.rows, given.arms)
        found = measured(Path(folder), given.rows, given.arms, given.repeats)
    if given.json:
        json.dump(found, sys.stdout, indent=2)
        return
    print(f"{given.rows:,} questions x {given.arms} arms, ready after {found['started_s']:.1f} s")
    print(f"resident: {found['rss_ready_bytes'] / MIB:.0f} MiB when ready, {found['rss_bytes'] / MIB:.0f} at the end")
    for name, times in found["pages"].items():
        cpu = f"CPU {times['first_cpu_ms']:.0f}, {times['mean_cpu_ms']:.0f} ms"
        print(f"{name:24}{times['first_ms']:8.0f} ms first{times['median_ms']:8.0f} ms after   {cpu}")


if __name__ == "__main__":
    main()
