"""PyTorch and Keras are asked the same and trained from the same start: the framework is all that an arm differs in."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness.processes import waiting
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.keras
SIDE = REPOSITORY / "tests" / "support" / "parity.py"
Side = dict[str, np.ndarray]
TIE = 1e-3
"""Scores closer than this are a tie, which rounding may decide."""


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Side, Side]:
    pytest.importorskip("peft")
    folder = tmp_path_factory.mktemp("parity")
    return _side("torch", folder), _side("keras", folder)


def _side(backend: str, folder: Path) -> Side:
    file = folder / f"{backend}.npz"
    environment = {**waiting(), **os.environ}
    command = [sys.executable, str(SIDE), backend, "all-MiniLM-L6-v2", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr[-2000:]
    with np.load(file) as found:
        return dict(found)


def test_tokens_are_identical_on_hard_texts(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    names = [name for name in ours if name.startswith("tokens ")]
    assert len(names) >= 10
    for name in names:
        np.testing.assert_array_equal(ours[name], theirs[name])
    assert max(len(ours[name]) for name in names) == 256, "one text is long enough to be cut"


def test_vectors_are_equal(sides: tuple[Side, Side]) -> None:
    ours, theirs = sides
    np.testing.assert_allclose(ours["vectors"], theirs["vectors"], atol=1e-5)


def test_answers_are_identical_but_for_ties(sides: tuple[Side, Side]) -> None:
    ours, theirs = (side["answers"] for side in sides)
    np.testing.assert_allclose(ours, theirs, atol=TIE / 2)
    best = np.sort(ours, axis=1)
    clear = best[:, -1] - best[:, -2] > TIE
    assert clear.mean() > 0.9
    np.testing.assert_array_equal(ours.argmax(1)[clear], theirs.argmax(1)[clear])


@pytest.mark.parametrize(("way", "trainable"), [("full", 22_565_376), ("lora", 73_728)])
def test_as_many_weights_are_trained(sides: tuple[Side, Side], way: str, trainable: int) -> None:
    assert {int(side[f"{way} trainable"]) for side in sides} == {trainable}


@pytest.mark.parametrize("way", ["full", "lora"])
def test_twenty_steps_change_the_weights_alike(sides: tuple[Side, Side], way: str) -> None:
    ours, theirs = sides
    names = [name for name in ours if name.startswith(f"{way} change ")]
    assert len(names) == {"full": 101, "lora": 24}[way]
    left, right = (np.concatenate([side[name].ravel() for name in names]).astype(float) for side in sides)
    assert left @ right / np.sqrt((left @ left) * (right @ right)) >= 0.999
    assert np.linalg.norm(left - right) <= 0.05 * np.linalg.norm(left), "one side moves further than the other"
    np.testing.assert_allclose(ours[f"{way} loss"], theirs[f"{way} loss"], rtol=1e-3)
