"""The page holds what the other formats hold, in the order of a meeting, and nothing in it runs or is loaded."""

from __future__ import annotations

import base64
import hashlib
import html
import importlib.util
import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from harness.errors import MissingDependency
from harness_reports import markdown
from harness_reports.html import render
from harness_reports.html.placing import placed
from harness_reports.html.svg import converted, drawn
from harness_reports.tables import naming
from tests.support.documents import bare, crowded, document
from tests.support.hostile import ALL, EACH, poisoned
from tests.support.pages import Page, without_charts

HARMLESS = ("an ordinary name ",)
HEAD = {"html", "head", "meta", "title", "style", "body"}
BLOCKS = {
    "header",
    "nav",
    "main",
    "section",
    "aside",
    "footer",
    "div",
    "p",
    "h1",
    "h2",
    "h3",
    "pre",
    "details",
    "summary",
}
INLINE = {"a", "span", "small", "strong", "code", "sup", "pre"} | {"ol", "ul", "li", "dl", "dt", "dd"}
TABLES = {"table", "caption", "thead", "tbody", "tr", "th", "td"}
CHARTS = {"figure", "figcaption", "svg", "g", "path", "rect", "line", "text", "desc"}
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
DANGEROUS = {"style", "src", "srcset", "action", "formaction", "data", "xlink:href"}


@pytest.fixture(scope="class")
def _no_charts() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        without_charts(patch)
        yield


@pytest.fixture(scope="class")
def source(_no_charts: None) -> str:
    return render(document())


@pytest.mark.usefixtures("_no_charts")
class TestPage:
    """With every chart the same."""

    def test_it_is_in_the_order_of_a_meeting(self, source: str) -> None:
        report = document()
        named = naming(report)
        text = Page(source[source.index("<main>") : source.index("</main>") + len("</main>")]).text
        told = [report["run"]["findings"][0]["told"], *report["decision"]["summary"], "Break-even", "Review by"]
        for arm in report["table"]:
            told = [line.replace(arm["arm"], named(arm["arm"])) for line in told]
        told += ["Arms, best first", "Because", "The decision would change if", "Criteria, and which arms meet them"]
        told += ["Up and to the left is better", "Where the cheapest arm flips", "Loss by epoch", "Accuracy by gender"]
        told += [
            "Reliability",
            "Differences on test",
            "killed at 14.2 GB",
            "valid from",
            "the checks of the task found",
        ]
        told += ["Versions"]
        places = [text.index(line) for line in told]
        assert places == sorted(places)

    def test_it_holds_every_cell_of_every_table_of_the_markdown(self, source: str) -> None:
        report = document()
        text, named = Page(source).text, naming(report)
        for line in markdown.render(report).splitlines():
            for cell in re.split(r"(?<!\\)\|", line)[1:-1] if line.startswith("| ") else ():
                told = html.unescape(re.sub(r"\\(.)", r"\1", cell.strip()))
                for arm in report["table"]:
                    told = told.replace(arm["arm"], named(arm["arm"]))
                found = told in text or all(part in text for part in told.rsplit(" ", 1))
                assert found, f"{told!r} is not on the page"

    def test_nothing_runs_and_nothing_is_loaded(self, source: str) -> None:
        page = Page(source)
        assert {tag for tag, _ in page.elements} <= HEAD | BLOCKS | INLINE | TABLES | CHARTS
        attributes = {name for _, found in page.elements for name in found}
        assert not {name for name in attributes if name.startswith("on") or name in DANGEROUS}
        assert all(target.startswith("#") for target in page.values("href"))

    def test_its_policy_allows_its_own_style_sheet_and_nothing_else(self, source: str) -> None:
        (style,) = re.findall("<style>(.*?)</style>", source, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        named = [found for tag, found in Page(source).elements if tag == "meta"]
        (policy,) = (found["content"] for found in named if found.get("http-equiv") == "Content-Security-Policy")
        assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
        assert "url(" not in style
        assert "@import" not in style

    def test_links_lead_somewhere_and_ids_are_one_each(self) -> None:
        page = Page(render(crowded()))
        ids = page.values("id")
        assert len(set(ids)) == len(ids)
        assert {target.removeprefix("#") for target in page.values("href")} <= set(ids)
        labelled = {id for value in page.values("aria-labelledby") for id in value.split()}
        assert labelled <= set(ids)

    def test_what_is_missing_points_to_its_reason(self, source: str) -> None:
        report = document()
        reason = "the arm reads no documents"
        (number,) = re.findall(f'<li id="missing-(\\d+)">{reason}</li>', source)
        without = sum(arm["measurements"]["hit_at_k"]["value"] is None for arm in report["table"])
        assert source.count(f'href="#missing-{number}"') == without > 0

    @pytest.mark.parametrize("left_out", ["decision", "ownership", "prices", "budget", "comparisons"])
    def test_partly_measured_reports_are_pages(self, left_out: str) -> None:
        report = {**document(["full@torch:m", "tfidf@none"]), left_out: None}
        if left_out == "comparisons":
            report["selection"] = None
        assert not Page(render(report)).open

    @pytest.mark.parametrize("arms", [[], ["base@torch:m"], ["base@torch:m", "base@keras:m"]])
    def test_few_arms_are_a_page(self, arms: list[str]) -> None:
        page = Page(render(document(arms)))
        assert not page.open
        assert sum(found.get("class", "").startswith("row-") for tag, found in page.elements if tag == "tr") == len(
            arms
        )

    def test_a_report_of_before_is_a_page(self) -> None:
        """Its document has none of the keys of cost and decision, and no findings."""
        report = bare()
        for name in ("decision", "ownership", "prices", "budget"):
            del report[name]
        del report["run"]["findings"], report["run"]["unasked"]
        page = Page(render(report))
        assert "This report decides nothing" in page.text
        assert "No arm is done" in page.text

    def test_no_decision_is_told_apart_from_one_for_nobody(self) -> None:
        report = document()
        report["decision"] |= {"outcome": "none is good enough", "choice": None, "ties": []}
        page = Page(render(report))
        assert "none is good enough" in page.text
        assert "row-choice" not in page.values("class")

    def test_no_text_becomes_an_element_or_an_attribute(self) -> None:
        _same_shape(0)

    def test_hostile_text_is_shown_as_it_is(self) -> None:
        report = poisoned(document(["full@torch:m"]), words=("<script>alert(1)</script>",))
        assert Page(render(report)).text.count("<script>alert(1)</script>") > 100


def _same_shape(first: int) -> None:
    """Each text of the document has hostile words before it, from this one on."""
    report = document(["full@torch:m", "rag@torch:m", "tfidf@none"])
    assert len(set(_texts(report))) * EACH > len(ALL), "some word stands nowhere"
    source, harmless = (render(poisoned(report, first, words)) for words in (ALL, HARMLESS))
    page = Page(source)
    assert page.shape == Page(harmless).shape
    assert not page.open
    assert not CONTROL.search(source)


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []


def test_without_what_draws_charts_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'adapt-harness\[html\]'"):
        render(document())


def test_of_a_chart_only_shapes_and_words_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" onload="a()" '
        'viewBox="0 0 9 9">'
        '<defs><clipPath id="clip0"><rect/></clipPath></defs><script>a()</script><style>*{}</style>'
        '<a xlink:href="javascript:a()"><text>linked</text></a><foreignObject><body/></foreignObject>'
        '<g clip-path="url(#clip0)"><path id="p" class="c" style="fill:red" onclick="a()" fill="url(http://x)" '
        'd="M0,0.123456L1,1"/>'
        '<text fill="var(--ink)">&lt;b&gt; &amp;amp;</text></g><image href="x"/></svg>'
    )
    monkeypatch.setattr("harness_reports.html.svg.converted", lambda spec: hostile)
    found = drawn({}, "one", "<i>a</i> title", '"what" & why')
    assert found == (
        '<svg viewBox="0 0 9 9" role="img" aria-labelledby="one-title one-description">'
        '<title id="one-title">&lt;i&gt;a&lt;/i&gt; title</title>'
        '<desc id="one-description">"what" &amp; why</desc>'
        '<g><path d="M0,0.1L1,1" /><text fill="var(--ink)">&lt;b&gt; &amp;amp;</text></g></svg>'
    )


def test_labels_keep_off_one_another_and_the_points() -> None:
    points = [(100.0, 100.0), (104.0, 103.0), (96.0, 110.0), (290.0, 5.0)]
    labels = ["the first", "the second", "the third", "at the edge"]
    spots = placed(points, [5.0] * 4, labels, [], (300.0, 200.0))
    boxes = []
    for (x, y), label, spot in zip(points, labels, spots, strict=True):
        wide = 6.8 * len(label)
        left = x + spot.dx - {"left": 0.0, "center": wide / 2, "right": wide}[spot.align]
        boxes.append((left, y + spot.dy - 7, left + wide, y + spot.dy + 7))
    for left, top, right, bottom in boxes:
        assert left >= 0
        assert top >= -2
        assert right <= 300
        others = [box for box in boxes if box != (left, top, right, bottom)]
        assert all(right <= box[0] or box[2] <= left or bottom <= box[1] or box[3] <= top for box in others)


@pytest.mark.slow
class TestCharts:
    """As they are drawn: starting what draws them takes a second."""

    def test_the_same_document_is_the_same_page(self) -> None:
        first = render(document())
        converted.cache_clear()
        assert render(document()) == first

    def test_every_chart_says_what_it_is_and_has_its_figures(self) -> None:
        page = Page(render(document()))
        charts = [found for tag, found in page.elements if tag == "svg" and found.get("role") == "img"]
        figures = [tag for tag, _ in page.elements].count("figure")
        assert len(charts) == 2 * figures > 0
        assert all("aria-labelledby" in found for found in charts)
        assert page.text.count("Figures of this chart") == figures - 1, "two by epoch share a table"
        assert {tag for tag, _ in page.elements} <= HEAD | BLOCKS | INLINE | TABLES | CHARTS

    def test_colours_are_the_pages_own(self) -> None:
        page = Page(render(document()))
        painted = {*page.values("fill"), *page.values("stroke")} - {"none", "currentColor", "transparent"}
        assert painted
        assert all(value.startswith("var(--") for value in painted)

    @pytest.mark.parametrize("first", range(0, len(ALL), 29))
    def test_no_name_becomes_an_element_or_an_attribute(self, first: int) -> None:
        _same_shape(first)

    def test_many_arms_and_seeds_are_a_page(self) -> None:
        report: Mapping[str, Any] = crowded(18, 5)
        page = Page(render(report))
        assert not page.open
        assert "18" in page.text
