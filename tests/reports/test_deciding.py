"""Terminal and Markdown begin with the decision, and Markdown holds what it rests on."""

from __future__ import annotations

import re

import pytest

from harness_reports import markdown, owning, terminal
from harness_reports.money import count, dollars, ranged
from harness_reports.tables import naming
from tests.support.documents import bare, crowded, document

RAG = "rag@torch:all-MiniLM-L6-v2"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")


@pytest.mark.parametrize("format", [terminal, markdown], ids=["table", "markdown"])
def test_the_decision_stands_above_the_table(format: object) -> None:
    report = document()
    text = format.render(report)  # type: ignore[attr-defined]
    named = naming(report) if format is terminal else str
    decision, plain = report["decision"], re.sub(r"\\(.)", r"\1", text).replace("&#64;", "@")
    told = [f"{named(decision['choice'])} is recommended", *decision["summary"]]
    told += [
        named(decision["ties"][0]),
        *decision["caveats"],
        *(change["told"] for change in decision["would_change_if"]),
    ]
    told += [decision["review_by"]["date"], report["ownership"]["told"], report["budget"]["told"][0]]
    places = []
    for line in told:
        for arm in report["table"]:
            line = line.replace(arm["arm"], named(arm["arm"]))
        places.append(plain.index(line))
    assert max(places) < plain.index("accuracy %")
    assert places[:4] == sorted(places[:4])


def test_a_choice_that_would_change_is_named_once() -> None:
    report = document()
    report["decision"]["would_change_if"] = [
        {
            "kind": "price",
            "told": "an hour cost less, then rag@torch:all-MiniLM-L6-v2",
            "choice": "rag@torch:all-MiniLM-L6-v2",
        },
        {"kind": "price", "told": "an hour cost more", "choice": "rag@torch:all-MiniLM-L6-v2"},
    ]
    text = terminal.render(report)
    assert "an hour cost less, then rag\n" in text
    assert "an hour cost more (then rag)\n" in text


def test_without_a_decision_there_is_no_word_of_one() -> None:
    for format in (terminal, markdown):
        text = format.render(bare())
        assert "decision" not in text
        assert "break-even" not in text


def test_the_markdown_holds_what_the_decision_rests_on() -> None:
    text = markdown.render(document())
    headings = re.findall(r"^##+ (.*)$", text, re.MULTILINE)
    for heading in (
        "Why",
        "Cost of ownership",
        "Learning",
        "Groups",
        "Calibration",
        "Differences",
        "Money",
        "Environment",
    ):
        assert heading in headings
    assert "accuracy 77.0 % is below 80 %" in text
    assert "GPU hours are of one NVIDIA T4 at 30 % \\[15, 45\\] of 65 TFLOP/s" in text
    assert "not measured: hit&#64;k %" in text
    assert "harness report 20261126-090000-abcdef" in text


def test_the_command_of_the_run_is_told_where_the_document_has_it() -> None:
    report = document()
    report["run"]["command"] = ["harness", "run", "--task", "legal-qa"]
    text = markdown.render(report)
    assert "again: harness run --task legal-qa" in text
    assert "options are not in this document" not in text


def test_arms_are_called_by_what_tells_them_apart() -> None:
    one, two = document(), crowded(18, 1)
    assert naming(one)("lora+rag@torch:all-MiniLM-L6-v2") == "lora+rag"
    assert naming(two)("lora+rag@keras:all-MiniLM-L6-v2") == "lora+rag@keras"
    models = document(["rag@torch:a", "rag@torch:b", "tfidf@none"])
    assert [naming(models)(arm["arm"]) for arm in models["table"]] == ["rag@a", "rag@b", "tfidf"]
    assert naming(one)("gone@torch:x") == "gone@torch:x"


@pytest.mark.parametrize(
    ("value", "told"),
    [(None, "—"), (0.0, "$0.00"), (1240.4, "$1,240"), (9.301, "$9.30"), (0.00213, "$0.0021"), (2e-9, "$0.0000000020")],
)
def test_money_is_as_exact_as_it_is_known(value: float | None, told: str) -> None:
    assert dollars(value) == told


def test_ranges_and_counts() -> None:
    assert ranged({"value": 1240.0, "low": 980.0, "high": 1600.0}) == "$1,240 [980, 1,600]"
    assert ranged({"value": 3.0, "low": None, "high": None}) == "$3.00"
    assert ranged(None) == "—"
    assert [count(value) for value in (53_211, 940, 12.5, None)] == ["53,000", "940", "12.5", "—"]


def test_a_cost_that_is_not_known_has_its_reason() -> None:
    report = document()
    (line,) = owning.notes(report, naming(report))
    assert line == "cost of ownership not known, majority: no price for what it ran on"


def test_what_a_query_costs_is_told_for_a_thousand() -> None:
    report = document()
    (arm, *_) = owning.owned(report)
    (title, columns, rows), *_ = owning.tables(report, naming(report))
    assert title == "cost of ownership"
    told = rows[0][columns.index("1,000 queries")]
    assert told.startswith(dollars(1000 * arm["per_query_usd"]["value"]))
    assert owning.per_thousand({}) is None
