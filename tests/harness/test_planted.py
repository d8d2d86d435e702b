"""Planted faults are found, and what only looks like one is told seldom; the figures are those of docs/tasks.md."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from harness.quality import Finding, check
from harness.taskfile import load_task
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


def test_most_planted_label_errors_are_named(made: Made) -> None:
    """Measured at 3,000 questions: recall 0.93 and 0.90, precision 0.90 and 0.87 (the two seeds).

    Not 0.95 here: of each label as many rows are named as are estimated to be wrong: too few where words tell little.
    """
    planted, found = made[0].ids["likely label errors"], made[1]["likely label errors"]
    hit = planted & {*found.examples}
    assert len(hit) >= 0.85 * len(planted)
    assert len(hit) >= 0.8 * found.count


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
