"""What GPUs tell, by a driver of our own that answers as NVML does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness import gpus
from harness.energy import EnergyMeter
from harness.gpus import BusyMeter


class NotFound(Exception):
    """As NVML says that there is no sample since then."""


class Driver:
    """Samples are (second, percent); joules are told in thousandths."""

    NVML_GPU_UTILIZATION_SAMPLES = 1
    NVMLError_NotFound = NotFound

    def __init__(self) -> None:
        self.samples: dict[str, list[tuple[float, int]]] = {"a": [], "b": []}
        self.energy = {"a": 5_000, "b": 7_000}
        self.kept = 100
        """Samples that it still has."""
        self.broken = False

    def nvmlDeviceGetSamples(self, handle: str, kind: int, since_us: int) -> tuple[int, list[Any]]:
        if self.broken:
            raise RuntimeError("not supported")
        found = [each for each in self.samples[handle][-self.kept :] if each[0] * 1e6 > since_us]
        if not found:
            raise NotFound
        told = [SimpleNamespace(timeStamp=at * 1e6, sampleValue=SimpleNamespace(uiVal=share)) for at, share in found]
        return 1, told

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: str) -> int:
        if self.broken:
            raise RuntimeError("not supported")
        return self.energy[handle]


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    found = Driver()
    monkeypatch.setattr(gpus, "_driver", lambda: (found, ("a", "b")))
    return found


def test_busy_seconds_are_the_shares_of_the_time_between_samples(driver: Driver) -> None:
    clock = Clock()
    meter = BusyMeter(clock)
    driver.samples["a"] = [(99.0, 100), (100.5, 100), (101.0, 50)]
    driver.samples["b"] = [(101.0, 20)]
    clock.now = 101.2
    assert meter.seconds() == pytest.approx(0.5 + 0.25 + 0.2)
    assert meter.seconds() == pytest.approx(0.95), "nothing is counted twice"


def test_what_the_driver_forgets_is_taken_before(driver: Driver) -> None:
    clock, driver.kept = Clock(), 3
    meter = BusyMeter(clock)
    for second in range(1, 11):
        clock.now = 100.0 + second
        driver.samples["a"].append((clock.now, 100))
        meter.look()
    assert meter.seconds() == pytest.approx(10.0)


def test_too_short_to_be_sampled_is_unknown(driver: Driver) -> None:
    assert BusyMeter(Clock()).seconds() is None


def test_a_driver_that_does_not_tell_is_unknown(driver: Driver) -> None:
    driver.broken = True
    assert BusyMeter(Clock()).seconds() is None
    assert gpus.joules() == []


def test_joules_of_all_gpus_are_summed(driver: Driver, tmp_path: Any) -> None:
    meter = EnergyMeter(tmp_path)
    driver.energy = {"a": 6_000, "b": 7_500}
    assert meter.joules() == pytest.approx(1.5)


def test_no_driver_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpus, "_driver", lambda: (None, ()))
    assert BusyMeter(Clock()).seconds() is None
    assert gpus.joules() == []
