"""The page in a browser: nothing is asked of the network, nothing runs, it fits a phone, and everybody can read it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness_reports.html import render
from tests.support.documents import bare, crowded, document
from tests.support.hostile import ALL, poisoned

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

pytestmark = pytest.mark.browser

DESKTOP, PHONE = (1280, 900), (390, 844)
INSTALL = "pip install 'adapt-harness[dev]'"
GRAVE = ("serious", "critical")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on the path: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api", reason=f"no Playwright: {INSTALL}")
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield launched
        launched.close()


@dataclass
class Opened:
    """A page and what it tried to do."""

    page: Page
    asked: list[str] = field(default_factory=list)
    """Whatever it asked for beside itself."""
    sent: list[str] = field(default_factory=list)
    """What of that its own policy let pass."""
    told: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)


def opened(
    browser: Browser, folder: Path, report: Mapping[str, Any], size: tuple[int, int] = DESKTOP, scheme: Any = "light"
) -> Opened:
    """The report from disk; whatever else is asked for is refused and noted."""
    file = folder / "report.html"
    file.write_text(render(report), encoding="utf-8")
    page = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=scheme)
    found = Opened(page)

    def route(asked: Route) -> None:
        if asked.request.url == file.as_uri():
            asked.continue_()
        else:
            found.sent.append(asked.request.url)
            asked.abort()

    page.route("**/*", route)
    page.on("request", lambda request: request.url == file.as_uri() or found.asked.append(request.url))
    page.on("console", lambda message: found.told.append(f"{message.type}: {message.text}"))
    page.on("pageerror", lambda error: found.told.append(str(error)))

    def refuse(dialog: Any) -> None:
        found.dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", refuse)
    page.goto(file.as_uri(), wait_until="networkidle")
    return found


REPORTS = {"full": document, "crowded": crowded, "bare": bare}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", REPORTS)
def test_it_is_quiet_and_everybody_can_read_it(browser: Browser, tmp_path: Path, name: str, scheme: str) -> None:
    found = opened(browser, tmp_path, REPORTS[name](), scheme=scheme)
    found.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert (found.asked, found.told, found.dialogs) == ([], [], [])
    assert _grave(found.page) == []


@pytest.mark.parametrize("name", REPORTS)
def test_on_a_phone_tables_scroll_and_the_page_does_not(browser: Browser, tmp_path: Path, name: str) -> None:
    found = opened(browser, tmp_path, REPORTS[name](), PHONE)
    found.page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    wide, inner = found.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= inner == PHONE[0]
    assert _grave(found.page) == []


@pytest.mark.parametrize("first", [0, 57])
def test_hostile_text_does_nothing(browser: Browser, tmp_path: Path, first: int) -> None:
    report = document(["full@torch:m", "rag@torch:m", "tfidf@none"])
    hostile = opened(browser, tmp_path, poisoned(report, first))
    count = "document.querySelectorAll('*').length"
    elements = hostile.page.evaluate(count)
    hostile.page.keyboard.press("Tab")
    hostile.page.mouse.move(300, 300)
    hostile.page.wait_for_timeout(300)
    assert (hostile.asked, hostile.told, hostile.dialogs) == ([], [], [])
    title = hostile.page.inner_text("h1")
    assert any(word in title for word in ALL)
    assert opened(browser, tmp_path, poisoned(report, words=("harmless ",))).page.evaluate(count) == elements


def test_the_policy_holds_where_escaping_would_not(browser: Browser, tmp_path: Path) -> None:
    """What if some text became markup all the same: it neither runs nor loads anything."""
    found = opened(browser, tmp_path, bare())
    found.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=http://localhost:9/x onerror=alert(1)>"
        '<svg onload=alert(2)></svg><p id=styled style="position:fixed">x</p><iframe src=http://localhost:9/></iframe>\')'
    )
    found.page.wait_for_timeout(300)
    assert found.asked, "nothing was tried"
    assert (found.sent, found.dialogs) == ([], [])
    assert found.page.evaluate("getComputedStyle(document.getElementById('styled')).position") == "static"
    assert any("Content Security Policy" in line for line in found.told)


def test_it_can_be_read_by_keyboard(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, document()).page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the decision"
    page.keyboard.press("Enter")
    assert page.url.endswith("#decision")
    page.locator("summary").first.focus()
    page.keyboard.press("Enter")
    assert page.locator("details").first.get_attribute("open") is not None


def test_paper_has_all_but_the_figures_of_charts(browser: Browser, tmp_path: Path) -> None:
    page = opened(browser, tmp_path, document(), scheme="dark").page
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.locator("nav").is_hidden()
    assert page.locator("details.reading .notes").is_visible()
    assert not page.locator("figure details").first.is_visible()
    assert page.pdf(prefer_css_page_size=True).startswith(b"%PDF")


def _grave(page: Page) -> list[str]:
    """What axe finds that keeps somebody from reading the page."""
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="no axe: pip install 'adapt-harness[dev]'"
    )
    violations = axe.Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for found in violations
        if found["impact"] in GRAVE
        for node in found["nodes"][:3]
    ]
