"""How arms learn: curves by epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import harness
from harness.processes import LocalProcesses
from harness.registry import Registry
from harness_reports.learning import MOST_BARS, sparkline


@pytest.fixture
def report(registry: Registry, tiny: Path, tmp_path: Path, workers: LocalProcesses) -> dict[str, Any]:
    found = harness.run(
        tiny,
        strategies=["base", "full"],
        backends=["fake"],
        seeds=[0, 1],
        settings={"full.epochs": 3},
        store=tmp_path / "store",
        registry=registry,
        executor=workers,
    )
    return dict(found.report)


def test_every_seeds_curve_is_told_and_drawn(registry: Registry, report: dict[str, Any]) -> None:
    curves = {arm["strategy"]: arm["epochs"] for arm in report["table"]}
    assert curves["base"] == []
    assert [(curve["seed"], curve["best_epoch"]) for curve in curves["full"]] == [(0, 3), (1, 3)]
    assert [epoch["train_loss"] for epoch in curves["full"][0]["epochs"]] == [1, 1 / 2, 1 / 3]
    assert set(curves["full"][0]["epochs"][0]) == {"epoch", "train_loss", "validation_loss", "validation_accuracy"}
    for format in ("table", "markdown"):
        text = registry.reporters.get(format).render(report)
        assert "seed 1" in text
        assert "█▃▁ 1.00→0.33" in text


def test_a_long_curve_keeps_its_ends() -> None:
    drawn = sparkline([float(number) for number in range(100)])
    assert (len(drawn), drawn[0], drawn[-1]) == (MOST_BARS, "▁", "█")
    assert sparkline([2.0, 2.0]) == "▁▁"
