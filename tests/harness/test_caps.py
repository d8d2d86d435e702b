"""`--max-cost` and `--max-gpu-hours` hold: before a cell, while one runs, and never on what has no price."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.assets import Assets
from harness.caps import Caps
from harness.contracts import AssetSpec
from harness.errors import UsageError
from harness.leases import Leases
from harness.machine import Machine
from harness.planned import PlannedAsset
from harness.prices import Accelerator, Price, PriceBook, Tariff
from harness.processes import LocalProcesses
from harness.rates import seen_rates
from harness.registry import Registry
from harness.report import build_report
from harness.request import Asked
from harness.snapshot import Snapshot
from harness.store import FILE, Store

GPU = Accelerator("NVIDIA X1", 100e12, 16e9, 0.1, 0.2, 0.4, "a data sheet")
HOURS = [Price("acme", "moon", item, "hour", usd, "2026-01-01", "x") for item, usd in (("vCPU", 1.0), (GPU.name, 36.0))]
TARIFF = Tariff(GPU, PriceBook(tuple(HOURS), (GPU,)))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def caps(usd: float | None = None, hours: float | None = None, tariff: Tariff | None = TARIFF) -> tuple[Caps, Clock]:
    clock = Clock()
    return Caps(tariff, Machine("NVIDIA X1", 2), usd, hours, clock), clock


def test_what_runs_counts_while_it_runs() -> None:
    """Two cores at 1 USD an hour each: after half an hour 1 USD is used."""
    found, clock = caps(usd=1.0)
    found.begin("a", "cpu")
    clock.now = 1800
    assert found.over() is None, "a cap may be reached, not passed"
    clock.now = 1801
    assert "--max-cost 1: 1 USD used; raise it and run the same command again" in (found.over() or "")
    found.end("a")
    assert found.usd == pytest.approx(1.0, abs=0.001)
    clock.now = 9999
    assert found.usd == pytest.approx(1.0, abs=0.001), "what has ended costs no more"


def test_a_cell_that_would_pass_the_cap_does_not_begin() -> None:
    """A minute of the GPU is 0.6 USD."""
    found, clock = caps(usd=1.0)
    assert found.over(60, "cuda") is None
    found.begin("a", "cuda")
    clock.now = 60
    found.end("a")
    assert "0.6 USD used, about 0.6 USD more for this" in (found.over(60, "cuda") or "")
    assert found.over(60, "cpu") is None, "a minute of two cores is a thirtieth"


def test_gpu_hours_are_of_gpus_only() -> None:
    found, clock = caps(hours=1.0)
    found.begin("a", "cpu")
    found.begin("b", "cuda")
    clock.now = 3600
    assert found.over() is None
    clock.now = 3700
    assert "--max-gpu-hours 1: 1.03 h used" in (found.over() or "")


def test_a_cap_on_what_has_no_price_is_refused() -> None:
    for tariff in (None, Tariff(GPU, PriceBook((HOURS[1],), (GPU,)))):
        found, _ = caps(usd=1.0, tariff=tariff)
        with pytest.raises(UsageError, match="--max-cost cannot hold: no price of an hour of a vCPU is known"):
            found.check({"cpu"})
    caps(usd=1.0)[0].check({"cpu", "cuda"})
    caps(hours=1.0, tariff=None)[0].check({"cpu"})


@pytest.fixture
def dear(tmp_path: Path) -> Path:
    """A list on which a vCPU costs a million dollars an hour."""
    file = tmp_path / "dear.toml"
    entry = {"provider": "me", "region": "here", "item": "vCPU", "unit": "hour", "source": "my bill"}
    lines = [f"{name} = {json.dumps(value)}" for name, value in entry.items()]
    file.write_text("\n".join(["[[price]]", *lines, "usd = 1e6", "valid_from = 2026-11-01"]))
    return file


def test_a_run_stops_at_its_cap_and_goes_on_with_a_higher_one(
    registry: Registry, tiny: Path, tmp_path: Path, workers: LocalProcesses, dear: Path
) -> None:
    def run(most: float | None) -> dict[str, str]:
        done = harness.run(
            tiny,
            strategies=["majority", "base"],
            backends=["fake"],
            store=tmp_path / "store",
            registry=registry,
            executor=workers,
            prices=dear,
            max_cost_usd=most,
        )
        return {cell["arm"]: cell["status"] for cell in done.report["cells"]}

    assert set(run(0.001).values()) == {"cancelled"}
    assert set(run(None).values()) == {"done"}


def test_a_run_is_judged_on_its_own_terms_until_others_are_asked_for(
    registry: Registry, tiny: Path, tmp_path: Path, workers: LocalProcesses, dear: Path
) -> None:
    first = harness.run(
        tiny,
        strategies=["majority", "base", "full"],
        backends=["fake"],
        store=tmp_path / "store",
        registry=registry,
        executor=workers,
        criteria={"least_accuracy": 10},
    ).report
    store = Store(tmp_path / "store")
    again = build_report(store, registry)
    assert again["decision"]["sha256"] == first["decision"]["sha256"]
    assert (first["decision"]["replayed"], again["decision"]["replayed"]) == (None, True)
    assert again["decision"]["declared"] == "before the run"
    assert "--criteria least_accuracy=10" in again["run"]["command"]

    strict = build_report(store, registry, asked=Asked(criteria="least_accuracy=100,most_total_usd=0"))
    assert strict["decision"]["outcome"] == "none is good enough"
    assert strict["decision"]["declared"] == "after the run"
    assert strict["decision"]["replayed"] is False

    priced = build_report(store, registry, asked=Asked(prices=dear))
    costs = {each["arm"]: each["total_usd"]["value"] for each in priced["ownership"]["arms"]}
    before = {each["arm"]: each["total_usd"]["value"] for each in first["ownership"]["arms"]}
    assert costs["majority@none"] > 1000 * before["majority@none"]
    assert priced["prices"]["used"][1]["own"] is True

    with pytest.raises(UsageError, match="criterion decide_on: unknown question set 'tset'; did you mean 'test'"):
        build_report(store, registry, asked=Asked(criteria="decide_on=tset"))
    elsewhere = build_report(store, registry, asked=Asked(criteria="decide_on=unseen_facts"))
    assert elsewhere["decision"]["outcome"] == "recommended"


def test_an_estimate_goes_by_what_ran_here_before(tmp_path: Path) -> None:
    """A cell of 4e10 FLOPs in 2 s; those that are small, failed, done elsewhere, or of another backend do not."""
    assert seen_rates(tmp_path / "nowhere") == {}
    store = Store(tmp_path / "store")
    cells = [(f"k{n}", backend) for n, backend in enumerate(("a", "a", "a", "b", "a"))]
    planned = [{"key": key, "arm": {"backend": backend}} for key, backend in cells]
    store.append("run", "r", "r", {"cells": [*planned, {"key": "never ran", "arm": {"backend": "a"}}]})
    for (key, _), flops, status in zip(
        cells, (4e10, 1e3, 9e99, 3e10, 9e12), ("done", "done", "failed", "done", "done"), strict=True
    ):
        used = {"total": {"flops": flops, "wall_s": 2.0}}
        store.append(
            "cell", key, "r", {"status": status, "usage": used, "log": {"elsewhere": {}} if key == "k4" else {}}
        )
    store.close()
    assert seen_rates(tmp_path / "store") == {"a": 2e10, "b": 1.5e10}
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / FILE).touch()
    assert seen_rates(tmp_path / "begun") == {}, "another run is just making it"
    (tmp_path / "begun" / FILE).write_bytes(b"rubbish" * 1000)
    assert seen_rates(tmp_path / "begun") == {}


class Endless:
    """An executor whose jobs never end by themselves."""

    def __init__(self) -> None:
        self.cancelled: list[str] = []

    def submit(self, id: str, job: Mapping[str, Any], preload: tuple[str, ...], limit_s: float) -> None: ...

    def messages(self, wait_s: float) -> Iterator[tuple[str, dict[str, Any]]]:
        return iter(())

    def cancel(self, id: str) -> None:
        self.cancelled.append(id)


def test_an_asset_is_stopped_while_it_is_made(tmp_path: Path) -> None:
    store, jobs = Store(tmp_path / "store"), Endless()
    planned = PlannedAsset("key", AssetSpec("index", "nowhere:make", "nowhere:open"), {}, "")
    told = iter([None, None, "the cap is reached"])
    made = Assets(store, "run", jobs, Leases(store), Snapshot({}, []), lambda *a, **b: None, lambda: next(told))
    assert made.ensure(planned, False, 60.0) == "asset index: the cap is reached"
    assert jobs.cancelled == ["key"]
    assert store.latest("asset", "key") is None, "a half-made asset is none"
