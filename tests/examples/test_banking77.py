"""Real data through the same door as the bundled task."""

from __future__ import annotations

from pathlib import Path

import pytest

import harness
from harness.registry import load_registry
from tests.conftest import REPOSITORY


@pytest.mark.realdata
@pytest.mark.torch
def test_a_probe_reaches_92_percent(real_data: Path, tmp_path: Path) -> None:
    if not (real_data / "banking77").is_dir():
        pytest.skip("banking77 is not among the public data sets here")
    finished = harness.run(
        REPOSITORY / "examples" / "banking77",
        strategies=["probe"],
        backends=["torch"],
        data=real_data / "banking77",
        store=tmp_path,
        registry=load_registry(),
    )
    (arm,) = finished.report["table"]
    assert arm["measurements"]["accuracy"]["n"] == 3080
    assert arm["measurements"]["accuracy"]["value"] >= 92.0
