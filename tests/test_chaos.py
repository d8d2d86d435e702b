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

pytestmark = pytest.mark.chaos
KILLS = int(os.environ.get("HARNESS_KILLS", "20"))
LEAST_LANDED = 0.75
"""Such a share of the kills must find the run alive, or the test proves little."""
SEEDS = ",".join(map(str, range(2 * KILLS)))
ARGUMENTS = ("--strategy", "base,slow,babbles,reads", "--backend", "fake", "--seeds", SEEDS)


def test_killed_at_random_moments(command: Command, stranger: Path, tiny: Path, tmp_path: Path) -> None:
    arguments = ["run", "--task", str(tiny), *ARGUMENTS]
    whole = command(*arguments, "--store", "whole", "--json")
    assert whole.returncode == 0, whole.stderr
    witness = tmp_path / "witness"
    witness.touch()
    randomly, landed = random.Random(20), 0
    for _ in range(KILLS):
        finished, begun = _finished(tmp_path / "killed"), len(_begun(witness))
        landed += _killed(arguments, stranger, witness, tmp_path, randomly)
        assert not finished & set(_begun(witness)[begun:]), "no finished cell ran twice"
    assert landed >= LEAST_LANDED * KILLS
    resumed = command(*arguments, "--store", "killed", "--json")
    assert resumed.returncode == 0, resumed.stderr
    assert _figures(resumed.stdout) == _figures(whole.stdout)
    ended = [(record.key, record.body["status"]) for record in Store(tmp_path / "killed").records("cell")]
    assert {status for _, status in ended} <= {"done", "crashed"}
    done = Counter(key for key, status in ended if status == "done")
    assert set(done.values()) == {1}, "no cell was finished twice"
    assert {key for key, _ in ended} == set(done), "what crashed with its worker was done afterwards"


def _killed(arguments: list[str], stranger: Path, witness: Path, folder: Path, randomly: random.Random) -> bool:
    """Start the run and kill it: its parent, or first a worker and then the parent. Whether it was running still."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments, "--store", "killed"],
        env={**os.environ, "PYTHONPATH": str(stranger), "STRANGER_WITNESS": str(witness)},
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(randomly.uniform(0.3, 2.0))
    landed = process.poll() is None
    children = psutil.Process(process.pid).children(recursive=True) if landed else []
    if children and randomly.random() < 0.5:
        randomly.choice(children).kill()
        time.sleep(randomly.uniform(0.0, 0.5))
        children += [] if process.poll() is not None else psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive, "workers died with their parent"
    return landed


def _begun(witness: Path) -> list[int]:
    """Seeds of the slow cells in the order in which they began."""
    return [int(line) for line in witness.read_text().splitlines()]


def _finished(store: Path) -> set[int]:
    """Seeds of the slow cells that the store holds as done."""
    if not (store / "store.sqlite").exists():
        return set()
    opened = Store(store)
    done = {record.key for record in opened.records("cell") if record.body["status"] == "done"}
    cells = [cell for record in opened.records("run") for cell in record.body["cells"]]
    opened.close()
    return {cell["seed"] for cell in cells if cell["arm"]["strategy"] == "slow" and cell["key"] in done}


def _figures(text: str) -> dict[str, Any]:
    timed = ("train_s", "predict_s", "latency_p50_ms", "latency_p95_ms", "peak_ram_bytes", "train_usd", "usd_per_1k")
    return {
        arm["arm"]: {name: found for name, found in arm["measurements"].items() if name not in timed}
        for arm in json.loads(text)["table"]
    }


def test_a_worker_that_will_not_end_is_killed_with_its_children(command: Command, tiny: Path) -> None:
    began = time.monotonic()
    ended = command(
        "run", "--task", tiny, "--strategy", "stubborn,base", "--backend", "fake", "--time-limit", 4, "--json"
    )
    assert time.monotonic() - began < 40
    assert ended.returncode == 3
    states = {cell["arm"].split("@")[0]: cell["status"] for cell in json.loads(ended.stdout)["cells"]}
    assert states == {"stubborn": "timeout", "base": "done"}
    left = [found.info for found in psutil.process_iter(["cmdline", "status"])]
    assert not [each for each in left if each["cmdline"] == ["sleep", "600"] and each["status"] != "zombie"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, -signal.SIGTERM)])
def test_an_interrupted_run_leaves_nobody_and_goes_on(
    command: Command, stranger: Path, tiny: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    arguments = ["run", "--task", str(tiny), "--strategy", "slow", "--backend", "fake", "--seeds", SEEDS]
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", *arguments],
        env={**os.environ, "PYTHONPATH": str(stranger)},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts the tests in the background has its children ignore SIGINT.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert "to run" in process.stderr.readline()
    time.sleep(0.5)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    _, err = process.communicate(timeout=20)
    assert process.returncode == code
    if number == signal.SIGINT:
        assert "the same command continues where it stopped" in err
    assert not psutil.wait_procs(children, timeout=10)[1]
    assert command(*arguments).returncode == 0
    states = [row["state"] for row in json.loads(command("runs", "--json").stdout)]
    assert states == ["cancelled" if number == signal.SIGINT else "not finished", "done"]
