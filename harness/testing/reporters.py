"""What every reporter must do: inherit `ReporterKit`, name the spec and what it writes, run pytest."""

from __future__ import annotations

import copy
import csv
import html.parser
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

import pytest

from harness.contracts import Executor
from harness.reporting import ReporterSpec
from harness.testing.fake import fake_spec
from harness.testing.running import FAILING, tried
from harness.testing.tiny import tiny_task

HOSTILE = (
    "=cmd|' /C calc'!A0 [red]x[/red] <script>alert(1)</script><img src=x onerror=alert(2)> \x1b[2J \x9b31m "
    "`x` **b** | [a](javascript:b) \u202e\r\n# h\n"
)
HARMLESS = "an ordinary name"
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
NAMES = ("arm", "a", "b", "best", "strategy", "backend", "model")
TEXTS = ("reason", "notes")


class ReporterKit:
    """Inherit it and set `spec` and `media`; it renders the report of a run on the fake backend."""

    spec: ClassVar[ReporterSpec]
    media: ClassVar[str] = "text"
    """What it writes: `text` (for a terminal), `markdown`, `html`, `csv` or `json`."""

    @pytest.fixture
    def executor(self) -> Executor | None:
        """Where the cells of that run run; None: processes of its own."""
        return None

    @pytest.fixture
    def report(self, tmp_path: Path, executor: Executor | None) -> dict[str, Any]:
        """`harness.report/1`: two arms, and one that failed."""
        names = ("majority", "base", FAILING)
        found = tried(tiny_task(tmp_path), names, fake_spec(), tmp_path / "store", executor)
        return json.loads(json.dumps(found.run.report, allow_nan=False))  # type: ignore[no-any-return]

    def test_it_renders_every_arm(self, report: Mapping[str, Any]) -> None:
        text = self._render(report)
        assert text.strip(), "it wrote nothing"
        for arm in report["table"]:
            assert arm["strategy"] in text, f"arm {arm['arm']} is not in it"

    def test_it_renders_what_is_empty(self, report: Mapping[str, Any]) -> None:
        """No arm was done; or no measure is installed."""
        bare = copy.deepcopy(dict(report))
        for arm in bare["table"]:
            arm["measurements"], arm["tests"], arm["groups"] = {}, {name: {} for name in arm["tests"]}, {}
        for odd in (bare, {**report, "table": [], "comparisons": None, "selection": None}):
            assert isinstance(self.spec.render(odd), str)

    def test_it_changes_nothing(self, report: dict[str, Any]) -> None:
        before = copy.deepcopy(report)
        assert self._render(report) == self._render(report), "rendered twice it differs"
        assert report == before, "it changed the report document"

    def test_text_from_outside_is_inert(self, report: dict[str, Any]) -> None:
        """Names, reasons and notes come from strangers: no markup, formula or terminal escape may come of them."""
        hostile, harmless = (self._render(renamed(report, word)) for word in (HOSTILE, HARMLESS))
        if self.media == "json":
            assert json.loads(hostile) == renamed(report, HOSTILE)
            return
        found = CONTROL.search(hostile)
        assert found is None, f"the control character {found and found[0]!a} was let through"
        if self.media == "csv":
            _same_sheet(hostile, harmless)
        elif self.media == "html":
            assert _elements(hostile) == _elements(harmless), "text became elements or attributes"
        elif self.media == "markdown":
            live = re.findall(r"(?<!\\)(?:<\w|\]\(|\*\*b|`x`)", hostile)
            assert not live, f"Markdown or HTML was let through: {', '.join(live)}"
            assert len(hostile.splitlines()) == len(harmless.splitlines()), "text broke a line"
            assert _bars(hostile) == _bars(harmless), "text made columns of a table"

    def test_links_are_those_it_is_given(self, report: dict[str, Any]) -> None:
        """Of a reporter that has `linked`: an address for every number, and no text from outside makes another."""
        if self.spec.linked is None:
            return
        linked = self.spec.linked
        hostile, harmless = (
            linked(renamed(report, word), lambda number: f"/at?{urlencode({'arm': number.arm or ''})}")
            for word in (HOSTILE, HARMLESS)
        )
        assert _elements(hostile) == _elements(harmless), "text became elements or attributes"
        assert "<script" not in hostile, "it has a script"
        targets = re.findall(r'href="([^"]*)"', hostile)
        assert all(target.startswith(("/at?", "#")) for target in targets), "a link leads elsewhere"
        for arm in renamed(report, HOSTILE)["table"]:
            named = urlencode({"arm": arm["arm"]})
            assert any(named in target for target in targets), f"no number of {arm['arm']} is a link"

    def _render(self, report: Mapping[str, Any]) -> str:
        found = self.spec.render(report)
        assert isinstance(found, str), f"it returned {type(found).__name__}, not text"
        return found


def renamed(report: Mapping[str, Any], word: str) -> dict[str, Any]:
    """The document with a word in every name and text that comes from outside, the same wherever one recurs."""
    outside = {str(value) for name, value in _leaves(report) if name in NAMES}
    outside |= {report["run"]["task"]["name"], *(name for arm in report["table"] for name in arm["tests"])}
    outside |= {name for arm in report["table"] for group, values in arm["groups"].items() for name in (group, *values)}
    names = {name: f"{word}{name}" for name in outside - {"None", "none", "test"}}

    def change(value: Any, field: str = "") -> Any:
        if isinstance(value, dict):
            return {names.get(key, key): change(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [change(each, field) for each in value]
        if isinstance(value, str):
            return f"{word}{value}" if field in TEXTS else names.get(value, value)
        return value

    return change(dict(report))  # type: ignore[no-any-return]


def _leaves(value: Any, field: str = "") -> list[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return [leaf for key, each in value.items() for leaf in _leaves(each, key)]
    if isinstance(value, list):
        return [leaf for each in value for leaf in _leaves(each, field)]
    return [(field, value)] if value is not None else []


def _same_sheet(hostile: str, harmless: str) -> None:
    first, second = (list(csv.reader(io.StringIO(text))) for text in (hostile, harmless))
    assert [len(row) for row in first] == [len(row) for row in second], "text made cells or rows"
    formulas = [cell for row in first for cell in row if cell.lstrip().startswith(("=", "+", "@", "\t", "\r"))]
    assert not formulas, f"a spreadsheet would take this for a formula: {formulas[0]!a}"


def _bars(text: str) -> list[int]:
    return [len(re.findall(r"(?<!\\)\|", line)) for line in text.splitlines()]


def _elements(text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Every element with the names of its attributes, in order."""
    found: list[tuple[str, tuple[str, ...]]] = []

    class Reader(html.parser.HTMLParser):
        def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
            found.append((tag, tuple(name for name, _ in attributes)))

    Reader().feed(text)
    return found
