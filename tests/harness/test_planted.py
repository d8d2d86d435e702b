"""Planted faults are found, and what only looks like one is told seldom; the figures are those of docs/tasks.md."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harness.quality import Finding, check, label_errors
from harness.taskfile import load_task
from tests.support import planted as planting
from tests.support.planted import Planted, plant

pytestmark = pytest.mark.slow  # scikit-learn, cleanlab, and thousands of questions

Made = tuple[Planted, Mapping[str, Finding]]
ROWS = 3_000
RECALL = 0.95
FALSE = 0.002
"""Share of rows that a check may name though nothing was planted in them; measured: 2 of 3,000, as payment cards."""
NAMED = (
    "length outliers",
    "empty questions",
    "personal data, e-mail addresses",
    "personal data, telephone numbers",
    "personal data, payment cards",
    "personal data, IBANs",
    "personal data, national identity numbers",
    "personal data, IP addresses",
)
PAIRED = (
    "duplicates in a set",
    "duplicates, trained on and tested",
    "near-duplicates on one side",
    "near-duplicates, trained on and tested",
)


@pytest.fixture(scope="module", params=[0, 1])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    planted = plant(tmp_path_factory.mktemp("planted"), ROWS, seed=request.param)
    return planted, {finding.check: finding for finding in check(load_task(planted.path))}


@pytest.mark.parametrize("name", NAMED)
def test_planted_rows_are_named_and_few_others(made: Made, name: str) -> None:
    planted, found = made[0].ids[name], made[1][name]
    hit = planted & {*found.examples}
    assert len(hit) >= RECALL * len(planted), sorted(planted - hit)
    assert found.count - len(hit) <= FALSE * ROWS


@pytest.mark.parametrize("name", PAIRED)
def test_planted_pairs_are_named_and_no_others(made: Made, name: str) -> None:
    planted, found = made[0].pairs[name], made[1][name]
    hit = planted & {frozenset(pair.split(" = ")) for pair in found.examples}
    assert len(hit) >= RECALL * len(planted)
    assert found.count == len(hit)


def test_planted_label_errors_are_named(made: Made) -> None:
    """Measured at 3,000 questions: recall 0.97 and 0.98, precision 0.95 and 0.92 (the two seeds)."""
    planted, found = made[0].ids["likely label errors"], made[1]["likely label errors"]
    hit = planted & {*found.examples}
    assert len(hit) >= RECALL * len(planted)
    assert len(hit) >= 0.85 * found.count


@pytest.mark.parametrize("labels", [2, 20])
def test_label_errors_are_named_among_few_labels_and_many(
    labels: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Measured over five seeds: recall 0.99 and 0.98, precision 0.99 and 0.94; before, 0.95 and 0.91, 0.93 and 0.90."""
    monkeypatch.setattr(planting, "LABELS", labels)
    planted = plant(tmp_path, ROWS, seed=2, noise=0.2).ids["likely label errors"]
    (found,) = label_errors.findings(load_task(tmp_path / "task.toml"))
    hit = planted & {*found.examples}
    assert len(hit) >= RECALL * len(planted)
    assert len(hit) >= 0.88 * found.count


def test_where_no_label_is_wrong_few_are_doubted(tmp_path: Path) -> None:
    """Measured: 8 of 3,120 (mean of five seeds), and the estimate of how many are wrong is next to none."""
    plant(tmp_path, ROWS, seed=2, noise=0)
    (found,) = label_errors.findings(load_task(tmp_path / "task.toml"))
    assert found.count <= 0.01 * ROWS
    told = re.search(r"about ([\d,]+) are estimated to be wrong", found.told)
    assert told is not None
    assert int(told[1].replace(",", "")) <= 0.003 * ROWS


def test_no_finding_repeats_personal_data(made: Made) -> None:
    import json
    from dataclasses import asdict

    told = json.dumps([asdict(finding) for finding in made[1].values()])
    rows = [json.loads(line) for line in (made[0].path.parent / "train.jsonl").read_text().splitlines()]
    held = {row["id"]: row["text"] for row in rows}
    for name in NAMED[2:]:
        for id in made[0].ids[name]:
            *_, data, _ = held[id].split()  # the last part of what was planted, before one more word
            assert len(data) < 4 or data.strip("<>") not in told
