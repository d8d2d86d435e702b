"""Causal models of every sort on PyTorch and on Keras: equal tokens, likelihoods and counts, and trainings alike."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.processes import waiting
from tests.conftest import REPOSITORY
from tests.support.causal_parity import SORTS, WAYS

pytestmark = pytest.mark.keras
Side = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("causal-parity")
    return _side("torch", folder), _side("keras", folder)


def _side(backend: str, folder: Path) -> Side:
    command = [sys.executable, "-m", "tests.support.causal_parity", backend, str(folder)]
    environment = {**waiting(), **os.environ}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=REPOSITORY)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(folder / f"{backend}.npz") as found:
        return dict(found)


@pytest.mark.parametrize("sort", SORTS)
def test_tokens_are_identical(sides: tuple[Side, Side], sort: str) -> None:
    ours, theirs = sides
    names = [name for name in ours if name.startswith(f"{sort} tokens ")]
    assert len(names) >= 16
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("what", ["answers", "labels", "reading", "unequal", "odd"])
def test_likelihoods_of_choices_are_equal(sides: tuple[Side, Side], sort: str, what: str) -> None:
    ours, theirs = (side[f"{sort} scores {what}"] for side in sides)
    np.testing.assert_allclose(ours, theirs, atol=1e-4, rtol=0)
    assert np.ptp(ours) > 0.01, "choices differ, so that there is something to compare"


@pytest.mark.parametrize("sort", SORTS)
def test_likelihoods_of_texts_and_vectors_are_equal(sides: tuple[Side, Side], sort: str) -> None:
    for name, tolerance in (("score", 1e-4), ("vectors", 1e-5)):
        ours, theirs = (side[f"{sort} {name}"] for side in sides)
        np.testing.assert_allclose(ours, theirs, atol=tolerance, rtol=1e-6)
    assert (sides[0][f"{sort} score"][:2] < -1).all()


@pytest.mark.parametrize("sort", SORTS)
def test_as_much_is_counted(sides: tuple[Side, Side], sort: str) -> None:
    np.testing.assert_array_equal(*(side[f"{sort} used"] for side in sides))
    for way in WAYS:
        assert sides[0][f"{sort} {way} trainable"] == sides[1][f"{sort} {way} trainable"] > 0


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("way", WAYS)
def test_steps_change_the_weights_alike(sides: tuple[Side, Side], sort: str, way: str) -> None:
    keras = sides[1]
    ours, theirs = (keras[f"{sort} {way} {whose}"].astype(float) for whose in ("ours", "theirs"))
    assert np.linalg.norm(ours) > 0
    assert ours @ theirs / np.sqrt((ours @ ours) * (theirs @ theirs)) >= 0.99
    assert np.linalg.norm(ours - theirs) <= 0.1 * np.linalg.norm(theirs), "one side moves further than the other"
    losses = (side[f"{sort} {way} loss"] for side in sides)
    np.testing.assert_allclose(*losses, rtol=1e-3)
