"""The viewer's pages over HTTP: what they hold, what they refuse, and that no text becomes markup."""

from __future__ import annotations

import html.parser
import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from harness.cli import main
from harness.testing.reporters import CONTROL
from harness.view.app import HEADERS, viewer
from harness.view.links import row_url, rows_url, run_url
from harness.view.runs import Runs
from tests.support.viewed import RUN, counted, spoilt

HERE = "http://127.0.0.1:8000"
RAG = "rag@fake:words"
PAGES = ("/", run_url(RUN), rows_url(RUN, set="test"), row_url(RUN, "q5", set="test"))


def client(root: Path) -> TestClient:
    return TestClient(viewer(Runs(root)), base_url=HERE, raise_server_exceptions=False, follow_redirects=False)


@pytest.fixture(scope="module")
def animals(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    return client(counted(tmp_path_factory.mktemp("counted")))


class Read(html.parser.HTMLParser):
    """Elements with their attributes, and the text between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attributes}))

    def handle_data(self, data: str) -> None:
        self.text += f"{data} "

    @property
    def links(self) -> list[str]:
        return [attributes[name] for _, attributes in self.elements for name in ("href", "src") if name in attributes]


def shown(answered: str) -> str:
    return " ".join(Read(answered).text.split())


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_guarded(animals: TestClient, page: str) -> None:
    answered = animals.get(page)
    assert answered.status_code == 200, answered.text
    assert {name: answered.headers[name] for name in HEADERS} == HEADERS
    assert "script-src 'self'" in HEADERS["Content-Security-Policy"]
    assert "unsafe" not in HEADERS["Content-Security-Policy"]
    read = Read(answered.text)
    assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in read.links)
    assert not [name for _, attributes in read.elements for name in attributes if name.startswith("on")]
    assert not [tag for tag, attributes in read.elements if tag == "style" or "style" in attributes]


@pytest.mark.slow
def test_every_link_of_every_page_leads_somewhere(animals: TestClient) -> None:
    seen, waiting = set(), ["/"]
    while waiting:
        page = waiting.pop()
        if page in seen or len(seen) > 150:
            continue
        seen.add(page)
        answered = animals.get(page)
        assert answered.status_code == 200, f"{page}: {answered.status_code}"
        if answered.headers["content-type"].startswith("text/html"):
            waiting += [link.split("#")[0] for link in Read(answered.text).links if link.split("#")[0]]
    assert len(seen) > 100
    assert {urlsplit(page).path.rsplit("/", 1)[-1] for page in seen} >= {"", RUN, "rows", "row", "view.css", "view.js"}


def test_the_first_page_tells_accuracy_and_who_gave_no_answers(animals: TestClient) -> None:
    text = shown(animals.get(run_url(RUN)).text)
    assert "rag 62.5 [" in text
    assert "lora 0 failed ran out of memory" in text
    assert "3 some arm right, another not" not in text
    assert "6 some arm right, another not" in text


def test_rows_behind_a_figure(animals: TestClient) -> None:
    answered = animals.get(rows_url(RUN, set="test", arm=RAG, right="0", group="gender:male"))
    text = shown(answered.text)
    assert "1–2 of 2 questions" in text
    assert re.findall(r"Question (\d)", text)[:2] == ["4", "8"]
    assert "rag ✗ wrong noon 80 % miss" in text
    assert "base ✓ right dawn -0.223 reads none" in text, "its scores are no probabilities"
    assert "1 of 2 right" not in text
    assert "No question meets all of this" in shown(animals.get(rows_url(RUN, q="whales")).text)


def test_pages_are_turned_and_keep_the_filter(animals: TestClient) -> None:
    first = Read(animals.get(rows_url(RUN, arm=RAG, right="1", size=2)).text)
    (next_page,) = {attributes["href"] for tag, attributes in first.elements if attributes.get("rel") == "next"}
    assert next_page == rows_url(RUN, arm=RAG, right="1", page=2, size=2)
    assert "3–4 of 5 questions" in shown(animals.get(next_page).text)
    assert animals.get(rows_url(RUN, arm=RAG, right="1", page=4, size=2)).status_code == 404


def test_one_row_shows_all_choices_documents_and_the_way_on(animals: TestClient) -> None:
    answered = animals.get(row_url(RUN, "q3", set="test", arm=RAG, right="0"))
    text = shown(answered.text)
    assert "2 of 3" in text
    assert "noon -2.3 80 % ● chosen 80 % ● chosen" in text
    assert "dawn gold -0.223 ● chosen 10 % 10 %" in text
    assert "Read by rag miss bats Bats bats sleep by day" in text
    links = Read(answered.text).links
    assert row_url(RUN, "q2", arm=RAG, right="0") in links
    assert row_url(RUN, "q7", arm=RAG, right="0") in links


@pytest.mark.parametrize(
    ("page", "status", "told"),
    [
        (run_url("none"), 404, "unknown run 'none'"),
        (rows_url("none"), 404, "unknown run 'none'"),
        ("/nothing", 404, "Not Found"),
        ("/static/../app.py", 404, "Not Found"),
        ("/static/%2e%2e/app.py", 404, "Not Found"),
        (row_url(RUN, "none"), 404, "no row 'none' in 'test'"),
        (f"/run/{RUN}/row", 400, "one id must be given"),
        (row_url(RUN, "q1") + "&id=q2", 400, "one id must be given"),
        (rows_url(RUN, right="maybe"), 400, "right must be 1 or 0 or mixed"),
        (rows_url(RUN, page="-1"), 400, "page must be a whole number from 1"),
        (rows_url(RUN, page="99"), 404, "there is no page 99; the last one is 1"),
        (rows_url(RUN, set="<script>"), 400, "unknown set '<script>'"),
        (rows_url(RUN, q="\x00"), 200, "No question meets all of this"),
        (f"/run/{RUN}/rows?q=%ff%fe", 200, "No question meets all of this"),
        (run_url(RUN, seed="x"), 400, "seed must be a whole number"),
    ],
)
def test_bad_addresses_get_a_page_and_no_traceback(animals: TestClient, page: str, status: int, told: str) -> None:
    answered = animals.get(page)
    assert answered.status_code == status
    assert told in shown(answered.text)
    assert "Traceback" not in answered.text
    assert {name: answered.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_nothing_but_reading_is_answered(animals: TestClient, method: str) -> None:
    for page in (*PAGES, "/static/view.css"):
        assert animals.request(method, page).status_code == 405


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1", 200),
        ("127.0.0.1:9", 200),
        ("LOCALHOST:8123", 200),
        ("evil.example", 400),
        ("127.0.0.1.evil.example", 400),
        ("localhost.evil.example:8000", 400),
        ("192.168.0.1", 400),
        ("0.0.0.0", 400),
        ("127.0.0.1@evil.example", 400),
        ("", 400),
    ],
)
def test_other_names_of_this_machine_are_refused(animals: TestClient, host: str, status: int) -> None:
    """A site that points its name here would be given the pages else."""
    answered = animals.get("/", headers={"Host": host})
    assert answered.status_code == status
    assert {name: answered.headers[name] for name in HEADERS} == HEADERS


def test_a_bug_is_one_line_on_the_page(animals: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.view.app.matching", lambda index, wanted: 1 / 0)
    answered = animals.get(rows_url(RUN))
    assert answered.status_code == 500
    assert "the terminal says why" in answered.text
    assert "division" not in answered.text
    assert answered.headers["Content-Security-Policy"] == HEADERS["Content-Security-Policy"]


def test_a_damaged_store_is_one_line_on_the_page(tmp_path: Path) -> None:
    root = counted(tmp_path)
    for part in (root / "parts").rglob("*.arrow"):
        part.write_bytes(b"")
    answered = client(root).get(rows_url(RUN))
    assert answered.status_code == 500
    assert "damaged" in shown(answered.text)


def test_no_text_becomes_markup(tmp_path: Path) -> None:
    """Page by page, a store of attacks gives the elements and attributes that a harmless one gives, and no others."""
    pages = {}
    for hostile in (False, True):
        root = spoilt(tmp_path / str(hostile), hostile)
        browser, run = client(root), Runs(root).open()
        rows = [rows_url(RUN, set=name, size=size) for name, size in zip(run.sets, (50, 3), strict=True)]
        arm = run.cells[0].arm
        one = [row_url(RUN, row, set="test") for row in _ids(browser, rows[0])[::6]]
        odd = rows_url(RUN, set=run.sets[1] + "x")
        asked = ["/", run_url(RUN), *rows, rows_url(RUN, arm=arm, right="1", q="text", size=3), *one, odd]
        assert len(asked) > 10
        pages[hostile] = [browser.get(page).text for page in asked]
    for harmless, hostile in zip(pages[False], pages[True], strict=True):
        assert _shape(harmless) == _shape(hostile)
        assert CONTROL.search(hostile) is None
        links = Read(hostile).links
        assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
        assert "49" not in re.findall(r"\{\{.{0,20}", hostile), "a template was run"


def _ids(browser: TestClient, page: str) -> list[str]:
    from urllib.parse import parse_qs

    links = Read(browser.get(page).text).links
    return list(dict.fromkeys(parse_qs(urlsplit(link).query)["id"][0] for link in links if "/row?" in link))


def _shape(text: str) -> list[tuple[str, tuple[str, ...]]]:
    return [(tag, tuple(attributes)) for tag, attributes in Read(text).elements]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "no store at .harness; start a run with harness run"),
        (["--port", "70000"], 2, "Invalid value for '--port'"),
        (["--store", "STORE", "nobody"], 2, "unknown run 'nobody'"),
        (["--store", "STORE", "--port", "PORT"], 1, "choose another --port"),
    ],
)
def test_what_cannot_be_viewed_is_one_line(
    arguments: list[str],
    code: int,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        given = {"STORE": str(counted(tmp_path / "store")), "PORT": str(taken.getsockname()[1])}
        ended = _harness(monkeypatch, tmp_path, *(given.get(each, each) for each in arguments))
    assert ended == code
    error = capsys.readouterr().err
    assert told in error
    assert len(error.splitlines()) == 1


def test_what_is_not_installed_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("harness.cli.view.NEEDS", ("no_such_server",))
    assert _harness(monkeypatch, tmp_path) == 1
    told = "error: 'harness view' needs no_such_server: pip install 'adapt-harness[view]'\n"
    assert capsys.readouterr().err == told


def _harness(monkeypatch: pytest.MonkeyPatch, folder: Path, *arguments: str) -> object:
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.argv", ["harness", "view", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


@pytest.mark.slow
def test_the_server_is_on_the_loopback_alone_and_ends_with_ctrl_c(tmp_path: Path) -> None:
    import signal
    import subprocess
    import sys
    import urllib.request

    import psutil

    command = [sys.executable, "-m", "harness", "view", "--store", str(counted(tmp_path))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stderr is not None
        url = server.stdout.readline().split()[0]
        assert re.fullmatch(rf"http://127\.0\.0\.1:\d+/run/{RUN}", url)
        with urllib.request.urlopen(url) as answered:
            assert b"animals" in answered.read()
        listening = [each for each in psutil.Process(server.pid).net_connections() if each.status == "LISTEN"]
        assert [each.laddr.ip for each in listening] == ["127.0.0.1"]
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
        assert server.stderr.read() == ""
