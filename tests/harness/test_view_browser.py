"""The viewer in a real browser: links, filters, keys, and nothing that a page of somebody else's text could start."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from harness.view.links import cells_url, report_url, rows_url, run_url
from harness.view.runs import Runs
from tests.support import measured
from tests.support.viewed import RUN, counted, spoilt

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium here: apt-get install chromium"),
]
RAG = "rag@fake:words"
WAIT_MS = 120_000
"""For a report that is made on a busy machine."""


@contextmanager
def served(store: Path) -> Iterator[str]:
    """`harness view` on a store, as a user starts it; its address."""
    command = [sys.executable, "-m", "harness", "view", "--store", str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server.stdout.readline().split("/run/")[0]
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(counted(tmp_path_factory.mktemp("counted"))) as url:
        yield url


@contextmanager
def watched(browser: Browser, url: str, **options: object) -> Iterator[Page]:
    """A page on which nothing may go wrong: no console message, no error, no dialog, no request elsewhere."""
    context = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(f"console: {said.text}"))
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}") or dialog.dismiss())
    page.on("popup", lambda other: wrong.append(f"window: {other.url}"))

    def look(route: Route) -> None:
        if route.request.url.startswith(f"{url}/"):
            route.continue_()
        else:
            wrong.append(f"request: {route.request.url}")
            route.abort()

    context.route("**/*", look)
    yield page
    context.close()
    assert not wrong


def test_a_figure_leads_to_its_rows_and_a_row_to_the_next(browser: Browser, animals: str) -> None:
    with watched(browser, animals) as page:
        page.goto(animals)
        page.get_by_role("link", name=RUN, exact=True).click()
        page.get_by_role("link", name=f"3 37.5 %, wrong: {RAG}").click()
        assert page.locator(".count").inner_text() == "1–3 of 3 questions"
        page.get_by_role("link", name="Question 3").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Question 3"
        page.get_by_role("link", name="Next →").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Question 4"
        page.get_by_text("Bats", exact=True).click()
        assert page.get_by_text("bats sleep by day").is_visible()
        page.get_by_role("link", name="test", exact=True).click()
        assert page.locator(".count").inner_text() == "1–3 of 3 questions"


@pytest.fixture(scope="module")
def permits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with served(measured.measured(tmp_path_factory.mktemp("measured"))) as url:
        yield url


def test_a_number_of_the_report_leads_to_its_rows_and_back(browser: Browser, permits: str) -> None:
    with watched(browser, permits) as page:
        page.set_default_timeout(WAIT_MS)
        page.goto(permits)
        page.get_by_role("link", name=f"Report of {measured.RUN}").click()
        row = page.locator("table.arms tbody tr").filter(has_text="keras")
        accuracy = row.locator("a.number").first
        told = accuracy.inner_text()
        accuracy.focus()
        page.keyboard.press("Enter")
        page.wait_for_url("**/rows?*")
        assert page.locator(".count").inner_text() == "1–20 of 130 questions"
        assert f"({told.split()[0]} %)" in page.locator(".tally").inner_text()
        page.get_by_role("link", name="Report", exact=True).click()
        page.locator("#calibration summary").first.click()
        bin = page.locator("#calibration details").first.locator("tbody tr").first.locator("a.number").nth(2)
        answers = bin.inner_text().partition("(")[2].removesuffix(")")
        bin.click()
        assert f" of {answers} " in page.locator(".tally").inner_text()
        assert "Sure of them" in page.locator(".tally").inner_text()
        page.go_back()
        page.locator("#differences a.number").first.click()
        assert "points of accuracy over 130 questions" in page.locator(".tally").inner_text()
        page.get_by_role("link", name="the first right, the other wrong").click()
        assert page.locator(".chips li").count() == 2
        page.get_by_role("link", name="Report", exact=True).click()
        page.get_by_role("link", name="Questions and answers").click()
        page.wait_for_url(f"**{run_url(measured.RUN)}")


def test_filters_are_a_form_that_leaves_a_short_address(browser: Browser, animals: str) -> None:
    with watched(browser, animals) as page:
        page.goto(animals + rows_url(RUN, set="test"))
        page.get_by_label("Arm", exact=True).select_option(label="rag")
        page.get_by_label("that is", exact=True).select_option(label="wrong")
        page.get_by_label("Search in questions").fill("bats")
        page.get_by_role("button", name="Show").click()
        assert page.locator(".count").inner_text() == "1–2 of 2 questions"
        assert (
            urlsplit(page.url).query
            == f"q=bats&set=test&arm={RAG.replace('@', '%40').replace(':', '%3A')}&right=0&size=20"
        )
        page.get_by_role("link", name="Without text: bats").click()
        assert page.locator(".count").inner_text() == "1–3 of 3 questions"
        page.get_by_role("link", name="Clear").click()
        assert page.locator(".count").inner_text() == "1–8 of 8 questions"


def test_keys_go_through_questions_and_pages_and_can_be_turned_off(browser: Browser, animals: str) -> None:
    with watched(browser, animals) as page:
        page.goto(animals + rows_url(RUN, set="test", size=3))

        def focused() -> str:
            return str(
                page.evaluate("document.activeElement.closest('article.row')?.querySelector('h2').innerText ?? ''")
            )

        page.keyboard.press("j")
        page.keyboard.press("j")
        assert focused() == "Question 2"
        page.keyboard.press("k")
        assert focused() == "Question 1"
        page.keyboard.press("n")
        page.wait_for_url("**page=2*")
        page.keyboard.press("j")
        page.keyboard.press("Enter")
        page.wait_for_url("**/row?*")
        assert page.get_by_role("heading", level=1).inner_text() == "Question 4"
        page.keyboard.press("j")
        page.wait_for_url("**id=q4*")
        page.keyboard.press("u")
        page.wait_for_url("**/rows?*page=2*")
        page.keyboard.press("/")
        page.keyboard.type("jk")
        assert page.get_by_label("Search in questions").input_value() == "jk"
        page.get_by_label("Keys:").uncheck()
        page.reload()
        page.keyboard.press("j")
        assert focused() == ""


def test_it_works_without_scripts(browser: Browser, animals: str) -> None:
    with watched(browser, animals, java_script_enabled=False) as page:
        page.goto(animals + rows_url(RUN, set="test"))
        page.get_by_label("Arm", exact=True).select_option(label="rag")
        page.get_by_label("that is", exact=True).select_option(label="right")
        page.get_by_role("button", name="Show").click()
        assert page.locator(".count").inner_text() == "1–5 of 5 questions"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_pages_are_for_everybody(browser: Browser, animals: str, scheme: str, width: int) -> None:
    """axe-core finds nothing serious, and nothing is wider than the window, but what scrolls by itself."""
    from axe_playwright_python.sync_playwright import Axe

    options = {"color_scheme": scheme, "viewport": {"width": width, "height": 800}}
    with watched(browser, animals, bypass_csp=True, **options) as page:  # axe is a script from outside
        filtered = rows_url(RUN, arm=RAG, right="0")
        page.set_default_timeout(WAIT_MS)
        one, apart = filtered.replace("/rows", "/row") + "&id=q3", rows_url(RUN, arm=RAG, versus="base@fake:words")
        of_all = (report_url(RUN), cells_url(RUN), cells_url(RUN, RAG))
        for place in ("/", run_url(RUN), filtered, one, apart, *of_all):
            page.goto(animals + place)
            found = Axe().run(page).response["violations"]
            told = [
                f"{place}: {each['id']}: {each['nodes'][0]['html']}"
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
            assert not told
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_store_of_attacks_starts_nothing(browser: Browser, tmp_path: Path) -> None:
    root = spoilt(tmp_path, hostile=True)
    sets = Runs(root).open().sets
    with served(root) as url, watched(browser, url) as page:
        page.set_default_timeout(WAIT_MS)
        of_all = (report_url(RUN), cells_url(RUN))
        for place in ("/", run_url(RUN), *of_all, *(rows_url(RUN, set=name, size=50) for name in sets)):
            page.goto(url + place)
            assert page.locator("script").count() == (0 if place == report_url(RUN) else 1)
            for link in page.locator("main a[href]").all()[:40]:
                link.hover(force=True)
        page.locator("article.row h2 a").first.click()
        page.locator("summary").first.click()
        assert page.get_by_role("heading", level=1).inner_text() == "Question 1"
        assert urlsplit(page.url).path == f"/run/{RUN}/row"
