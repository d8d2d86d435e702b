"""What training makes a model forget: the texts, the comparison, the cells that are asked."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import harness
from harness.errors import UsageError
from harness.held import GENERAL, held_texts, kept
from harness.processes import LocalProcesses
from harness.registry import Registry
from tests.support.given import finished, made, measured, unknown


def test_the_bundled_texts_are_sentences_of_their_own() -> None:
    texts = held_texts(GENERAL)
    assert len(texts) == 80
    assert all(text.endswith(".") and 20 < len(text) < 100 for text in texts)


def test_a_file_is_read_by_lines(tmp_path: Path) -> None:
    file = tmp_path / "own.txt"
    file.write_text("\n".join(f"text {number} \n" for number in range(30)) + "text 3\n", encoding="utf-8")
    assert held_texts(str(file)) == tuple(f"text {number}" for number in range(30))
    file.write_text("too few\n")
    with pytest.raises(UsageError, match="must hold 20 to 2000 different lines, and holds 1"):
        held_texts(str(file))
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="it is no UTF-8 text"):
        held_texts(str(file))
    with pytest.raises(UsageError, match="No such file"):
        held_texts(str(tmp_path / "none.txt"))


def test_structure_is_what_spearman_says_of_every_text() -> None:
    from scipy.stats import spearmanr

    random = np.random.default_rng(0)
    before = random.normal(size=(25, 25))
    after = before + random.normal(size=(25, 25))
    found = kept(before, after, "embed")
    for number, alike in enumerate(found):
        others = np.arange(25) != number
        assert alike == pytest.approx(spearmanr(before[number, others], after[number, others]).statistic)
    assert kept(before, before, "embed") == pytest.approx([1.0] * 25)
    assert kept(before, -before, "embed") == pytest.approx([-1.0] * 25)


def test_likelihood_is_told_as_nats_lost() -> None:
    assert kept(np.array([-3.0, -5.0]), np.array([-4.0, -4.5]), "score") == [1.0, -0.5]


# -- the measures ------------------------------------------------------------------------------------------


def log(by: str, *per_text: float) -> Mapping[str, Any]:
    return {"held": {"by": by, "per_text": list(per_text)}}


def test_forgetting_is_what_is_lost_of_the_order() -> None:
    cells = finished(log=log("embed", 1.0, 0.8, 0.6)), finished(log=log("embed", 1.0, 1.0, 0.4))
    found = measured("forgetting", made({"test": []}, *cells))
    assert (found.value, found.n, found.unit) == (pytest.approx(20), 3, "%")
    assert found.low is not None
    assert found.high is not None
    assert 0 <= found.low < 20 < found.high <= 50
    assert found.spread == pytest.approx(0), "both seeds lost 20 on average"


def test_nats_are_told_of_models_that_have_likelihoods() -> None:
    found = measured("forgetting", made({"test": []}, finished(log=log("score", 1.0, 0.0, 0.5))))
    assert (found.value, found.unit) == (pytest.approx(0.5), "nats")


def test_what_was_not_asked_is_none() -> None:
    both = finished(log=log("embed", 1.0, 0.9)), finished()
    unknown(measured("forgetting", made({"test": []}, *both)), "not asked")


# -- in a run ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_cells_that_train_are_asked_before_and_after(
    registry: Registry, tiny: Path, workers: LocalProcesses, tmp_path: Path
) -> None:
    own: dict[str, Any] = {"backends": ["fake"], "registry": registry, "executor": workers, "store": tmp_path}
    plain = harness.run(tiny, strategies=["base", "lora"], **own).report
    held = harness.run(tiny, strategies=["base", "lora"], held=GENERAL, keep="all", **own).report
    base, lora = held["cells"]
    assert "held" not in base["usage"]
    assert lora["usage"]["held"]["wall_s"] > 0
    assert lora["key"] != plain["cells"][1]["key"]
    assert base["key"] == plain["cells"][0]["key"]
    forgotten = {arm["strategy"]: arm["measurements"]["forgetting"] for arm in held["table"]}
    assert forgotten["base"]["reason"] == "it trains no weights"
    assert forgotten["lora"]["n"] == 80, "the fake backend has likelihoods"
    rest = (tiny.parent / "test.jsonl").read_text().splitlines()[1:]
    (tiny.parent / "test.jsonl").write_text("\n".join(rest) + "\n")
    again = harness.run(tiny, strategies=["base", "lora"], held=GENERAL, keep="all", **own).report
    assert again["cells"][1]["measurements"]["forgetting"]["value"] == forgotten["lora"]["value"]
