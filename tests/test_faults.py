"""Disks that fill, stores that rot, eight runs at once: one clear line, nothing lost, nothing silently wrong."""

from __future__ import annotations

import json
import os
import random
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import HarnessError
from harness.processes import LocalProcesses
from harness.registry import Registry
from harness.report import build_report
from harness.store import Store
from tests.conftest import Command

pytestmark = pytest.mark.chaos
MUTATIONS = int(os.environ.get("HARNESS_MUTATIONS", "200"))
PAGE = 4096
RUNS = 8


def test_eight_runs_share_one_store(stranger: Path, tiny: Path, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    arguments = ["run", "--task", str(tiny), "--strategy", "base,slow,reads", "--backend", "fake", "--json"]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments, "--seeds", "0,1,2,3,4,5,6,7,8,9", "--store", "shared"],
            env={**os.environ, "PYTHONPATH": str(stranger), "STRANGER_WITNESS": str(witness)},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(RUNS)
    ]
    ended = [(*process.communicate(timeout=240), process.returncode) for process in started]
    assert {code for _, _, code in ended} == {0}, [err for _, err, _ in ended]
    tables = [
        [{**arm, "measurements": arm["measurements"]["accuracy"]} for arm in json.loads(out)["table"]]
        for out, _, _ in ended
    ]
    assert all(table == tables[0] for table in tables)
    assert set(Counter(witness.read_text().splitlines()).values()) == {1}, "no cell ran twice"


@pytest.fixture
def finished(registry: Registry, tiny: Path, workers: LocalProcesses, tmp_path: Path) -> Path:
    """A store with one run of three arms."""
    harness.run(
        tiny,
        strategies=["base", "full", "reads"],
        backends=["fake"],
        store=tmp_path / "golden",
        registry=registry,
        executor=workers,
    )
    return tmp_path / "golden"


def _flip(content: bytes, at: random.Random) -> bytes:
    place = at.randrange(len(content))
    return content[:place] + bytes([content[place] ^ (1 << at.randrange(8))]) + content[place + 1 :]


def _truncate(content: bytes, at: random.Random) -> bytes:
    return content[: at.randrange(len(content))]


def _zero_page(content: bytes, at: random.Random) -> bytes:
    start = at.randrange(max(1, len(content) // PAGE)) * PAGE
    return content[:start] + bytes(len(content[start : start + PAGE])) + content[start + PAGE :]


def test_a_mutated_store_is_never_silently_wrong(finished: Path, registry: Registry, tmp_path: Path) -> None:
    golden = _comparable(build_report(Store(finished), registry))
    at, seen = random.Random(7), Counter[str]()
    files = sorted(path.relative_to(finished) for path in finished.rglob("*") if _matters(path))
    ways: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flip, _truncate, _zero_page)
    copy = tmp_path / "copy"
    for number in range(MUTATIONS):
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(finished, copy)
        # Half of the mutations hit the database, which holds all but questions and answers.
        file = copy / (at.choice(files) if number % 2 else "store.sqlite")
        file.write_bytes(at.choice(ways)(file.read_bytes(), at))
        seen[_outcome(copy, registry, golden)] += 1
    assert seen["silently wrong"] == 0, seen
    assert seen["told"] > MUTATIONS / 10, seen
    assert seen["harmless"] > 0, seen


def _matters(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0 and path.suffix in (".arrow", ".sqlite")


def _outcome(store: Path, registry: Registry, golden: Any) -> str:
    """`told`: an error, or an arm fewer with its reason; anything else must equal the golden table."""
    try:
        opened = Store(store)
        report = build_report(opened, registry)
        opened.close()
    except HarnessError:
        return "told"
    found = _comparable(report)
    if found == golden:
        return "harmless"
    kept = {arm: row for arm, row in golden.items() if arm in found}
    missing = set(golden) - set(found)
    told = {cell["arm"] for cell in report["cells"] if cell["status"] != "done"}
    if found == kept and missing <= told:
        return "told"
    # Answers to an extra set may be lost alone: then they are "not asked" any more, and the rest stands.
    return "told" if all(_is_golden_or_missing(found[arm], golden[arm]) for arm in found) else "silently wrong"


def _comparable(report: Any) -> dict[str, Any]:
    return {arm["arm"]: {"test": arm["measurements"], **arm["tests"]} for arm in report["table"]}


def _is_golden_or_missing(found: Any, golden: Any) -> bool:
    return set(found) == set(golden) and all(
        found[name][measure] == golden[name][measure] or found[name][measure]["value"] is None
        for name in golden
        for measure in golden[name]
    )


@pytest.mark.parametrize("kilobytes", [1, 8, 30, 40, 60])
def test_a_full_disk_is_one_line_and_the_run_goes_on_later(
    command: Command, stranger: Path, tiny: Path, tmp_path: Path, kilobytes: int
) -> None:
    """Simulated by a limit on the size of files, which fails writes as a full disk does."""
    arguments = ["run", "--task", str(tiny), "--strategy", "base,full", "--backend", "fake", "--json"]
    limit = (kilobytes * 1024, kilobytes * 1024)
    ended = subprocess.run(
        [sys.executable, "-m", "harness", *arguments, "--store", "full"],
        env={**os.environ, "PYTHONPATH": str(stranger)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limit),
    )
    assert "Traceback" not in ended.stderr
    if ended.returncode == 1:
        assert ended.stderr.strip().splitlines()[-1].startswith("error: "), ended.stderr
    again = command(*arguments, "--store", "full")
    whole = command(*arguments, "--store", "whole")
    assert again.returncode == whole.returncode == 0, again.stderr
    for one, other in zip(json.loads(again.stdout)["table"], json.loads(whole.stdout)["table"], strict=True):
        assert one["measurements"]["accuracy"] == other["measurements"]["accuracy"]


@pytest.mark.parametrize("where", ["/proc/harness", "/dev/null/harness"])
def test_a_store_that_cannot_be_written_is_one_line(command: Command, tiny: Path, where: str) -> None:
    ended = command("run", "--task", tiny, "--strategy", "base", "--backend", "fake", "--store", where)
    assert ended.returncode == 1
    assert len(ended.stderr.strip().splitlines()) == 1
    assert "give another --store" in ended.stderr


MOUNTED = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"'


@pytest.fixture
def frozen(finished: Path, stranger: Path, tmp_path: Path) -> Command:
    """Runs a command where nobody can write the finished store: without permission, root on a read-only mount."""
    before: tuple[str, ...] = ()
    if os.geteuid() == 0:
        before = ("unshare", "--map-root-user", "--mount", "sh", "-c", MOUNTED, "sh", str(finished))
        if shutil.which("unshare") is None or subprocess.run([*before, "true"], capture_output=True).returncode:
            pytest.skip("root writes whatever permissions say, and a mount of its own is not permitted here")

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        modes = {} if before else {path: path.stat().st_mode for path in (finished, *finished.rglob("*"))}
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        try:
            return subprocess.run(
                [*before, sys.executable, "-m", "harness", *map(str, arguments), "--store", str(finished)],
                env={**os.environ, "PYTHONPATH": str(stranger)},
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
            )
        finally:
            for path, mode in modes.items():
                path.chmod(mode)

    return run


def _content(store: Path) -> dict[str, bytes]:
    return {str(path.relative_to(store)): path.read_bytes() for path in store.rglob("*") if path.is_file()}


@pytest.mark.parametrize("left", [(), ("-wal",), ("-wal", "-shm")], ids=["closed", "killed", "killed, in place"])
def test_a_store_that_nobody_can_write_is_read_whole(
    frozen: Command, finished: Path, registry: Registry, left: tuple[str, ...]
) -> None:
    """What a killed run leaves in SQLite's log counts, whether or not the log's index lies beside it."""
    writer = Store(finished)
    run = next(writer.records("run"))
    writer.append("run", "a later run", "a later run", run.body)
    golden = _comparable(build_report(writer, registry, run.key))
    open_files = {name: (finished / f"store.sqlite{name}").read_bytes() for name in ("", *left)}
    writer.close()
    if left:
        for name, content in open_files.items():
            (finished / f"store.sqlite{name}").write_bytes(content)
    before = _content(finished)

    listed, shown = frozen("runs", "--json"), frozen("report", run.key, "--json")
    assert listed.returncode == shown.returncode == 0, listed.stderr + shown.stderr
    assert [row["run"] for row in json.loads(listed.stdout)] == [run.key, "a later run"]
    assert _comparable(json.loads(shown.stdout)) == golden
    assert _content(finished) == before


def test_a_run_into_a_store_that_nobody_can_write_is_one_line(frozen: Command, finished: Path, tiny: Path) -> None:
    before = _content(finished)
    ended = frozen("run", "--task", tiny, "--strategy", "base", "--backend", "fake")
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"error: store {finished} cannot be written; harness report reads it, but a run needs another --store"
    ]
    assert ended.stdout == ""
    assert _content(finished) == before


TOML = 'name = "t"\nkind = "choice"\n[data]\ntest = "test.jsonl"\n[fields]\nchoices = "choices"\n'


def test_no_rubbish_in_a_task_is_a_traceback(tmp_path: Path) -> None:
    """Hypothesis throws bytes and near-sound rows at the loader: it reads them or refuses them, each with a line."""
    from hypothesis import HealthCheck, given, settings
    from hypothesis import strategies as st

    from harness.errors import TaskFileError
    from harness.taskfile import load_task

    scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner))
    names = st.sampled_from(["id", "question", "choices", "answer", "document", ""]) | st.text(max_size=8)
    rows = st.dictionaries(names, values | st.lists(st.text(), max_size=4), max_size=6)
    lines = (
        st.binary(max_size=60)
        | rows.map(lambda row: json.dumps(row).encode())
        | values.map(lambda value: json.dumps(value).encode())
    )
    headers = (
        st.just(TOML)
        | st.text(max_size=80)
        | st.lists(names, max_size=4).map(
            lambda keys: TOML + "".join(f'"{key}" = 1\n' for key in keys if key.isprintable() and '"' not in key)
        )
    )

    @settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
    @given(headers, st.lists(lines, max_size=5))
    def load(header: str, content: list[bytes]) -> None:
        (tmp_path / "task.toml").write_bytes(header.encode("utf-8", "surrogatepass"))
        (tmp_path / "test.jsonl").write_bytes(b"\n".join(content))
        try:
            load_task(tmp_path / "task.toml")
        except TaskFileError as refused:
            for fault in refused.faults:
                assert fault.split(":")[0] in ("task.toml", "test.jsonl"), fault
                assert fault.isprintable(), fault

    load()
