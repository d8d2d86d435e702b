"""Killed at random moments, a run resumes to the same table, repeats nothing, and leaves nobody behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.store import Store
from tests.conftest import Command

KILLS = 20
STRATEGIES = "base,full,slow,babbles,reads"


@pytest.mark.chaos
def test_killed_at_random_moments(command: Command, stranger: Path, tiny: Path, tmp_path: Path) -> None:
    arguments = ["run", "--task", str(tiny), "--strategy", STRATEGIES, "--backend", "fake", "--seeds", "0,1,2"]
    whole = command(*arguments, "--store", "whole", "--json")
    assert whole.returncode == 0, whole.stderr
    randomly = random.Random(20)
    for _ in range(KILLS):
        _killed(arguments, stranger, tmp_path, randomly.uniform(0.3, 2.2))
    resumed = command(*arguments, "--store", "killed", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert _figures(resumed.stdout) == _figures(whole.stdout)
    ended = Counter(record.key for record in Store(tmp_path / "killed").records("cell"))
    assert set(ended.values()) == {1}, "no finished cell ran twice"


def _killed(arguments: list[str], stranger: Path, folder: Path, after_s: float) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments, "--store", "killed"],
        env={**os.environ, "PYTHONPATH": str(stranger)},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(after_s)
    children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, "workers died with their parent"


def _figures(text: str) -> dict[str, Any]:
    timed = ("train_s", "predict_s", "latency_p50_ms", "latency_p95_ms", "peak_ram_bytes")
    return {
        arm["arm"]: {name: found for name, found in arm["measurements"].items() if name not in timed}
        for arm in json.loads(text)["table"]
    }
