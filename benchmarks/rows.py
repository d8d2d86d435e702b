"""Whether the cost of a task grows with its rows and no faster: plan, answer and report of 10k, 100k and 1M questions.

    python benchmarks/rows.py [--rows 10000,100000,1000000] [--kind choice] [--strategies majority,base] [--json]

The test set has so many rows, training and validation a few hundred. The fake backend answers, so that what is timed is
the harness itself. Each size runs in a process of its own; memory is summed over that process and all below it, ten
times a second: PSS (pages that several share are counted once) and RSS (counted in each).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil

STAGES = ("load", "plan", "answer", "report")
STRATEGIES = ("majority", "base", "full", "probe")
SMALL = {"train": 400, "validation": 100}
ROWS_PER_CLUSTER = 2
CHOICES, LABELS, WORDS = 4, 40, 5_000
SAMPLE_S = 0.1
MIB = 2**20


def write_task(folder: Path, kind: str, rows: int) -> Path:
    """A task of invented words, of which a little can be learnt: a question's first word hints at its answer."""
    draw = random.Random(0)
    words = ["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=draw.randint(3, 10))) for _ in range(WORDS)]
    for name, count in {**SMALL, "test": rows}.items():
        with (folder / f"{name}.jsonl").open("w", encoding="utf-8") as file:
            for number in range(count):
                file.write(json.dumps(_row(draw, words, kind, f"{name}-{number}", number)) + "\n")
    choices = 'choices = "choices"\n' if kind == "choice" else ""
    path = folder / "task.toml"
    path.write_text(
        f'name = "rows"\nkind = "{kind}"\n\n[data]\n'
        + "".join(f'{name} = "{name}.jsonl"\n' for name in ("train", "validation", "test"))
        + f'\n[fields]\nid = "id"\ncluster = "cluster"\n{choices}\n[bias]\ngroups = ["gender"]\n',
        encoding="utf-8",
    )
    return path


def _row(draw: random.Random, words: list[str], kind: str, id: str, number: int) -> dict[str, Any]:
    row: dict[str, Any] = {
        "id": id,
        "cluster": f"{id.split('-')[0]}-{number // ROWS_PER_CLUSTER}",
        "gender": draw.choice(("female", "male")),
    }
    texts = draw.choices(words, k=draw.randint(8, 20))
    label = number % LABELS
    hint = words[label] if draw.random() < 0.5 else words[draw.randrange(LABELS)]
    row["question"] = " ".join([hint, *texts])
    if kind == "classification":
        return {**row, "answer": f"label {label:02}"}
    place = draw.randrange(CHOICES)
    choices = [" ".join(draw.choices(words[LABELS:], k=3)) for _ in range(CHOICES)]
    choices[place] = f"{words[label]} {choices[place]}"
    return {**row, "choices": choices, "answer": place}


def one_run(path: Path, strategies: list[str]) -> dict[str, dict[str, float]]:
    """Wall and CPU seconds of every stage, workers included."""
    from harness.execute import execute
    from harness.plan import make_plan
    from harness.registry import load_registry
    from harness.report import build_report
    from harness.request import Request
    from harness.store import Store
    from harness.taskfile import load_task
    from harness.testing import FakePlugin

    used: dict[str, dict[str, float]] = {}
    stages = iter(STAGES)
    last = [time.perf_counter(), _cpu_s()]

    def done() -> None:
        now = [time.perf_counter(), _cpu_s()]
        used[next(stages)] = {"wall_s": now[0] - last[0], "cpu_s": now[1] - last[1]}
        last[:] = now

    registry = load_registry([("fake", FakePlugin())])
    request = Request(str(path), strategies=tuple(strategies), backends=("fake",), store=path.parent / "store")
    task = load_task(path)
    done()
    plan = make_plan(request, registry, task)
    done()
    store = Store(request.store)
    run = execute(plan, store, lambda event: None)
    done()
    report = build_report(store, registry, run)
    registry.reporters.get("table").render(report)
    done()
    failed = [cell for cell in report["cells"] if cell["status"] != "done"]
    if failed:
        raise SystemExit(f"{failed[0]['arm']} ended {failed[0]['status']}: {failed[0]['reason']}")
    return used


def _cpu_s() -> float:
    uses = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(use.ru_utime + use.ru_stime for use in uses)


class Memory(threading.Thread):
    """The most that a process and all below it held at once."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pss = self.rss = 0
        self._top, self._done = psutil.Process(pid), threading.Event()

    def run(self) -> None:
        while not self._done.wait(SAMPLE_S):
            pss, rss = map(sum, zip(*self._held(), strict=True)) if self._top.is_running() else (0, 0)
            self.pss, self.rss = max(self.pss, pss), max(self.rss, rss)

    def _held(self) -> Iterator[tuple[int, int]]:
        yield 0, 0
        try:
            for process in [self._top, *self._top.children(recursive=True)]:
                found = process.memory_full_info() if process.is_running() else None
                if found is not None:
                    yield found.pss, found.rss
        except psutil.Error:  # it has just ended
            return

    def stop(self) -> None:
        self._done.set()
        self.join()


def measured(rows: int, kind: str, strategies: list[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        path = write_task(Path(folder), kind, rows)
        command = [sys.executable, __file__, "--one", str(path), "--strategies", ",".join(strategies)]
        began = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        memory = Memory(process.pid)
        memory.start()
        told, _ = process.communicate()
        memory.stop()
        wall = time.perf_counter() - began
        if process.returncode:
            raise SystemExit(f"{rows} rows: exit status {process.returncode}")
        kept = sum(file.stat().st_size for file in (Path(folder) / "store").rglob("*") if file.is_file())
    stages = json.loads(told)
    return {
        "rows": rows,
        "stages": stages,
        "wall_s": wall,
        "cpu_s": sum(stage["cpu_s"] for stage in stages.values()),
        "peak_pss_bytes": memory.pss,
        "peak_rss_bytes": memory.rss,
        "store_bytes": kept,
    }


def slope(rows: list[int], values: list[float]) -> float | None:
    """Of log value on log rows, by least squares: 1 is linear."""
    if len(rows) < 2 or min(values) <= 0:
        return None
    return float(np.polyfit(np.log(rows), np.log(values), 1)[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", default="10000,100000,1000000")
    parser.add_argument("--kind", choices=("choice", "classification"), default="choice")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    strategies = options.strategies.split(",")
    if options.one:
        print(json.dumps(one_run(options.one, strategies)))
        return
    sizes = [int(size) for size in options.rows.split(",")]
    found = []
    for size in sizes:
        found.append(measured(size, options.kind, strategies))
        print(f"{size} rows: {found[-1]['wall_s']:.0f} s", file=sys.stderr)
    columns = {f"{stage} CPU s": [each["stages"][stage]["cpu_s"] for each in found] for stage in STAGES}
    columns["CPU s"] = [each["cpu_s"] for each in found]
    columns["wall s"] = [each["wall_s"] for each in found]
    slopes = {name: slope(sizes, values) for name, values in columns.items()}
    if options.json:
        print(json.dumps({"kind": options.kind, "strategies": strategies, "sizes": found, "slopes": slopes}, indent=1))
        return
    columns["peak PSS MiB"] = [each["peak_pss_bytes"] / MIB for each in found]
    columns["peak RSS MiB"] = [each["peak_rss_bytes"] / MIB for each in found]
    columns["store MiB"] = [each["store_bytes"] / MIB for each in found]
    print(f"{'':14}" + "".join(f"{size:>12,}" for size in sizes) + f"{'slope':>10}")
    for name, values in columns.items():
        grows = slopes.get(name)
        shown = "".join(f"{value:12.1f}" for value in values)
        print(f"{name:14}{shown}" + ("" if grows is None else f"{grows:10.2f}"))


if __name__ == "__main__":
    main()
