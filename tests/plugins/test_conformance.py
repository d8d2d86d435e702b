"""Our own plugins pass the tests that we ask of a stranger's."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

from harness.contracts import BackendSpec, StrategySpec
from harness.processes import LocalProcesses
from harness.testing import BackendKit, MeasureKit, ReporterKit, StrategyKit, TaskKit, fake_spec
from tests.conftest import REPOSITORY


def backend(package: str) -> BackendSpec:
    """The one that a package of ours offers; its framework is not imported."""
    (spec,) = importlib.import_module(package).harness_backends()
    return spec  # type: ignore[no-any-return]


FAMILIES = ("sentence_encoder", "encoder", "causal")


@pytest.fixture(scope="module", params=FAMILIES)
def checkpoint(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made by PyTorch in a process of its own: whoever tests another framework keeps it out of theirs."""
    folder = tmp_path_factory.mktemp(request.param)
    make = f"checkpoints.{request.param}(Path({str(folder)!r}))"
    code = f"from pathlib import Path; from tests.support import checkpoints; {make}"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=REPOSITORY, capture_output=True)
    return folder


class OnCheckpoints(BackendKit):
    """On checkpoints of random weights: they learn at rates at which a trained model would forget."""

    learning_rates = {"full": 5e-3, "lora": 2e-2}  # noqa: RUF012
    epochs = 12

    @pytest.fixture
    def model(self, checkpoint: Path) -> str:
        return str(checkpoint)

    @pytest.fixture
    def executor(self, workers: LocalProcesses) -> LocalProcesses:
        return workers


class TestFake(BackendKit):
    spec = fake_spec()

    @pytest.fixture
    def executor(self, workers: LocalProcesses) -> LocalProcesses:
        return workers

    @pytest.mark.chaos
    def test_it_gets_its_rows_in_a_run(self, model: str, tmp_path: Path, executor: LocalProcesses) -> None:
        super().test_it_gets_its_rows_in_a_run(model, tmp_path, executor)


@pytest.mark.torch
class TestTorch(OnCheckpoints):
    spec = backend("harness_torch")

    @pytest.fixture(autouse=True)
    def _one_thread(self) -> None:
        """Checkpoints this small run many times faster on one."""
        pytest.importorskip("torch").set_num_threads(1)


@pytest.mark.keras
class TestKeras(OnCheckpoints):
    spec = backend("harness_keras")


class OurStrategies(StrategyKit):
    """Runs in processes of their own, so with the slow tests."""

    pytestmark = pytest.mark.chaos

    @pytest.fixture
    def executor(self, workers: LocalProcesses) -> LocalProcesses:
        return workers


def strategy(package: str, name: str) -> StrategySpec:
    """One that a package of ours offers."""
    (spec,) = (spec for spec in importlib.import_module(package).harness_strategies() if spec.name == name)
    return spec  # type: ignore[no-any-return]


class TestFull(OurStrategies):
    spec = strategy("harness_tuning", "full")
    settings = "epochs=1"


class TestLora(OurStrategies):
    spec = strategy("harness_tuning", "lora")
    settings = "epochs=1:rank=2"


class TestBase(OurStrategies):
    spec = strategy("harness_baselines", "base")


class TestMajority(OurStrategies):
    spec = strategy("harness_baselines", "majority")


class TestTfidf(OurStrategies):
    spec = strategy("harness_baselines", "tfidf")


class TestProbe(OurStrategies):
    spec = strategy("harness_baselines", "probe")


@pytest.mark.torch
class TestRag(OurStrategies):
    spec = strategy("harness_rag", "rag")
    settings = "retriever=bm25"


@pytest.mark.torch
class TestFewshot(OurStrategies):
    spec = strategy("harness_rag", "fewshot")
    settings = "retriever=bm25"


QUICK = {"accuracy", "flip_rate", "train_s"}
"""Measures that the quick tests try; the bootstrap of all of them takes seconds."""


def measure_tests() -> dict[str, type]:
    """A class for every measure that a package of ours offers."""
    found = {}
    for spec in importlib.import_module("harness_measures").harness_measures():
        name = "Test" + spec.name.title().replace("_", "")
        made = type(name, (MeasureKit,), {"spec": spec, "__module__": __name__})
        found[name] = made if spec.name in QUICK else pytest.mark.chaos(made)
    return found


globals().update(measure_tests())


class OurReporters(ReporterKit):
    pytestmark = pytest.mark.chaos

    @pytest.fixture
    def executor(self, workers: LocalProcesses) -> LocalProcesses:
        return workers


def reporter_tests() -> dict[str, type]:
    """A class for every format that a package of ours offers."""
    found = {}
    for spec in importlib.import_module("harness_reports").harness_reporters():
        name = f"Test{spec.name.title()}"
        media = "text" if spec.name == "table" else spec.name
        found[name] = type(name, (OurReporters,), {"spec": spec, "media": media, "__module__": __name__})
    return found


globals().update(reporter_tests())


@pytest.mark.chaos
class TestLegalQa(TaskKit):
    spec = next(iter(importlib.import_module("harness_tasks").harness_tasks()))
