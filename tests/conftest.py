"""Fixtures that every test may use: a stranger's plugin on the path, a tiny task, a real data folder."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from harness.processes import LocalProcesses
from harness.registry import Registry, load_registry
from harness.testing import tiny_task

SUPPORT = Path(__file__).parent / "support"
REPOSITORY = Path(__file__).parent.parent
if "PYTEST_XDIST_WORKER" in os.environ:
    # Several test processes share the cores: threads of one would wait for those of another.
    for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(threads, "1")

FROM_OUTSIDE = ("HARNESS_REALDATA", "HARNESS_PRISM", "HARNESS_SPECS")
"""Where tests find what is no part of the tree."""


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("HARNESS_") and name not in FROM_OUTSIDE:
            monkeypatch.delenv(name)


OPENS_A_GPU = """
import os, sys, types
import harness.worker
sys.modules["torch"] = types.SimpleNamespace(cuda=types.SimpleNamespace(is_initialized=lambda: True))
harness.worker.run = lambda *_: os._exit(9)  # as CUDA is of no use to what is forked
"""


@pytest.fixture(scope="session")
def stranger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like site-packages with one installed distribution that registers `stranger`."""
    site = tmp_path_factory.mktemp("site")
    (site / "stranger.py").write_text((SUPPORT / "stranger.py").read_text())
    (site / "stranger_hangs.py").write_text("import time\ntime.sleep(600)\n")
    (site / "stranger_breaks.py").write_text("raise OSError('libcudart.so: cannot open shared object file')\n")
    (site / "stranger_opens.py").write_text(OPENS_A_GPU)
    info = site / "stranger-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness]\nstranger = stranger\n")
    return site


@pytest.fixture
def registry(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    monkeypatch.syspath_prepend(str(stranger))
    monkeypatch.setenv("PYTHONPATH", str(stranger))
    return load_registry()


@pytest.fixture(scope="session")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalProcesses]:
    """Shared by runs whose own processes are not what is tested: what they import is imported once."""
    with LocalProcesses(tmp_path_factory.mktemp("zygotes")) as processes:
        yield processes


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    folder = tmp_path / "task"
    folder.mkdir()
    return tiny_task(folder)


Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def command(stranger: Path, tmp_path: Path) -> Command:
    """Runs `harness ARGS` as a user would, with the stranger's plugin installed."""

    def run(
        *arguments: object, program: Sequence[str] = (sys.executable, "-m", "harness"), **changes: str
    ) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": str(stranger), **changes}
        return subprocess.run(
            [*program, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
            timeout=120,
        )

    return run


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The public data sets; skips where they are not to be had."""
    folder = Path(os.environ.get("HARNESS_REALDATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("no public data sets here: set HARNESS_REALDATA to their folder")
    return folder
