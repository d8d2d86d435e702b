"""Abstaining where there is no answer: counted on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from harness.types import Question, Row
from tests.support.given import LABELS, finished, made, measured, row, unknown

NAMES = ("abstention", "fabrication", "overcaution")
SHARES = {"abstention": 62.5, "fabrication": 37.5, "overcaution": 25.0}
"""Of four questions without an answer one seed abstains on three and the other on two; of two with one, on none and
one."""
CHOSEN = ([2, 2, 2, 0, 0, 1], [2, 2, 1, 0, 2, 1])


def choices(number: int, gold: int, *texts: str) -> Row:
    return Row(Question(f"q{number}", (), texts), gold, str(number), {}, ())


@pytest.mark.parametrize("name", NAMES)
def test_a_label_that_abstains(name: str) -> None:
    rows = [row(str(number), gold) for number, gold in enumerate([2, 2, 2, 2, 0, 1])]
    cells = [finished({"test": chosen}) for chosen in CHOSEN]
    found = measured(name, made({"test": rows}, *cells, labels=LABELS, abstain="C"))
    assert (found.value, found.n, found.unit) == (SHARES[name], 2 if name == "overcaution" else 4, "%")
    assert found.low is not None
    assert found.high is not None
    assert found.low <= SHARES[name] <= found.high
    unknown(measured(name, made({"test": rows}, *cells, labels=LABELS)), "names no answer that abstains")


@pytest.mark.parametrize("name", NAMES)
def test_a_choice_that_abstains_stands_anywhere_or_nowhere(name: str) -> None:
    """The last question does not offer it: it counts nowhere."""
    rows = [choices(n, 2, "x", "y", "none of these") for n in range(4)]
    rows += [choices(4, 0, "x", "y", "none of these"), choices(5, 1, "none of these", "y", "z")]
    rows.append(choices(6, 0, "x", "y", "z"))
    cells = [finished({"test": [*chosen[:5], 1, 0]}) for chosen in CHOSEN]
    found = measured(name, made({"test": rows}, *cells, abstain="none of these"))
    assert (found.value, found.n) == (SHARES[name], 2 if name == "overcaution" else 4)


def test_nothing_is_made_of_no_questions() -> None:
    rows = [row("a", 0), row("b", 1)]
    evidence = made({"test": rows}, finished({"test": [0, 1]}), labels=LABELS, abstain="C")
    unknown(measured("fabrication", evidence), "no such questions")
    assert measured("overcaution", evidence).value == 0
    unknown(measured("overcaution", replace(evidence, group=("gender", "f"))), "no such questions")
