"""Each number of a report leads to the rows that it is of: as many as its n, and where it is a share, that share."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from starlette.testclient import TestClient

from harness.registry import load_registry
from harness.reporting import Number
from harness.stats import SEED, resampled
from harness.testing.reporters import CONTROL
from harness.testing.stores import WrittenArm, WrittenTask, write_run
from harness.types import Answers, Question, Row, Status, Text
from harness.view.app import viewer
from harness.view.behind import CONDITIONS, GAPS, Behind
from harness.view.links import cells_url, report_url, rows_url
from harness.view.reports import Reports
from harness.view.runs import Runs
from tests.support.measured import BASE, FULL, KERAS, RAG, RUN, measured
from tests.support.pages import Page, without_charts
from tests.support.viewed import spoilt

SEEDS = {FULL: 3, RAG: 2, KERAS: 1, BASE: 1}
SHARES = {"accuracy", "hit_at_k", "hit_right", "hit_wrong", "miss_right", "miss_wrong"}
SHARES |= {"abstention", "fabrication", "overcaution", "flip_rate", "flip_rate_within"}


@dataclass(frozen=True)
class Landed:
    """What a page of rows says of them."""

    rows: int
    met: int | None
    of: int | None
    unit: str
    text: str


@dataclass(frozen=True)
class Seen:
    client: TestClient
    report: Mapping[str, Any]
    behind: Behind

    def land(self, number: Number) -> Landed:
        url = self.behind(number)
        assert url is not None
        assert urlsplit(url).path.endswith("/rows"), f"{number} leads to {url}"
        return landed(self.client, url)


def landed(client: TestClient, url: str) -> Landed:
    answered = client.get(f"{url}&size=1")
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", answered.text))
    assert answered.status_code == 200, text
    rows = re.search(r"–[\d,]+ of ([\d,]+) questions", text)
    tally = re.search(r": ([\d,]+) of ([\d,]+) (questions|answers|sets of twins)", text)
    met, of = (None, None) if tally is None else (int(tally[1]), int(tally[2]))
    return Landed(int(rows[1]) if rows else 0, met, of, tally[3] if tally else "", text)


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    root = measured(tmp_path_factory.mktemp("measured"))
    with pytest.MonkeyPatch.context() as patch:
        without_charts(patch)
        patch.setattr(resampled, "__defaults__", (20, SEED))  # intervals lead nowhere of their own
        runs, reports = Runs(root), Reports(load_registry)
        run = runs.open()
        report = reports.document(run)
        with TestClient(viewer(runs, reports), base_url="http://127.0.0.1:8000", follow_redirects=False) as client:
            yield Seen(client, report, Behind(run, report))


def found(seen: Seen, arm: str) -> Mapping[str, Any]:
    return next(row for row in seen.report["table"] if row["arm"] == arm)


@pytest.mark.parametrize("arm", [FULL, RAG])
@pytest.mark.parametrize("measure", sorted(SHARES))
def test_a_share_leads_to_its_rows(seen: Seen, arm: str, measure: str) -> None:
    told = found(seen, arm)["measurements"][measure]
    if told["value"] is None:
        assert arm != RAG, f"{measure}: {told['reason']}"
        return
    landed = seen.land(Number(arm, measure))
    assert landed.of == told["n"] * SEEDS[arm]
    assert landed.met is not None
    assert 100 * landed.met / landed.of == pytest.approx(told["value"])


@pytest.mark.parametrize("name", ["further", "suite_bbq", "suite_sentences"])
def test_accuracy_on_another_set_leads_to_all_of_it(seen: Seen, name: str) -> None:
    row = found(seen, FULL)
    told = {**row["tests"], **row["suites"]}[name]["accuracy"]
    landed = seen.land(Number(FULL, "accuracy", name))
    assert (landed.rows, landed.of) == (told["n"], 3 * told["n"])
    assert landed.met is not None
    assert 100 * landed.met / (3 * told["n"]) == pytest.approx(told["value"])


def test_what_is_of_a_whole_set_leads_to_it(seen: Seen) -> None:
    for measure in ("macro_f1", "ece", "brier", "aurc"):
        assert seen.land(Number(FULL, measure)).rows == found(seen, FULL)["measurements"][measure]["n"] == 130


@pytest.mark.parametrize("arm", [FULL, BASE])
def test_a_bin_of_calibration_holds_as_many_answers(seen: Seen, arm: str) -> None:
    points = found(seen, arm)["measurements"]["ece"]["points"]
    assert len(points) > 10
    for place, (_, right, answers) in list(enumerate(points))[::3]:
        landed = seen.land(Number(arm, "ece", point=place))
        assert landed.of == answers
        assert landed.met is not None
        assert 100 * landed.met / landed.of == pytest.approx(right)
        assert landed.rows <= answers
        assert landed.rows == answers or arm == FULL


def test_the_surest_answers_are_as_many_as_the_share_says(seen: Seen) -> None:
    for place, (share, _) in list(enumerate(found(seen, BASE)["measurements"]["aurc"]["points"]))[::6]:
        assert seen.land(Number(BASE, "aurc", point=place)).rows == round(share / 100 * 130)
    assert seen.land(Number(FULL, "aurc", point=4)).of == 3 * 33
    assert re.search(r"Sure of them: \d+\.\d to \d+\.\d %", seen.land(Number(BASE, "aurc", point=4)).text)


@pytest.mark.parametrize("arm", [FULL, RAG])
def test_a_value_of_a_group_leads_to_its_rows(seen: Seen, arm: str) -> None:
    for group, values in found(seen, arm)["groups"].items():
        for value, measurements in values.items():
            landed = seen.land(Number(arm, "accuracy", group=(group, value)))
            told = measurements["accuracy"]
            assert landed.rows == told["n"]
            assert landed.of == SEEDS[arm] * told["n"]
            assert landed.met is not None
            assert 100 * landed.met / landed.of == pytest.approx(told["value"])


@pytest.mark.parametrize("measure", sorted(GAPS))
def test_a_gap_leads_to_the_rows_it_is_between(seen: Seen, measure: str) -> None:
    for arm in (FULL, KERAS, RAG):
        told = found(seen, arm)["measurements"][measure]
        if told["value"] is not None:
            assert seen.land(Number(arm, measure)).rows == told["n"]
    assert found(seen, FULL)["measurements"][measure]["value"] is not None


def test_values_with_too_few_rows_are_left_out_of_a_gap(seen: Seen) -> None:
    rows = {seen.land(Number(arm, "group_gap")).rows for arm in SEEDS}
    assert rows <= {132, 108}
    assert 108 in rows, "no gap is of origin, so that nothing was left out"


def test_a_difference_leads_to_the_rows_where_the_arms_differ(seen: Seen) -> None:
    pairs = {(pair["a"], pair["b"], pair["set"]): pair for pair in seen.report["comparisons"]}
    assert {FULL, KERAS} in [{a, b} for a, b, _ in pairs], "the same on another backend"
    for (a, b, name), pair in pairs.items():
        landed = seen.land(Number(a, "difference", name, less=b))
        points = re.search(r": ([+-][\d.]+) points of accuracy over (\d+) questions", landed.text)
        assert points is not None
        assert float(points[1]) == pytest.approx(pair["difference"], abs=0.051)
        assert int(points[2]) == seen.report["run"]["sets"][name]
        assert seen.land(Number(b, "difference", name, less=a)).rows == landed.rows < int(points[2])


@pytest.mark.parametrize("measure", ["overfit_gap", "flip_excess"])
def test_a_figure_of_two_sets_leads_to_both(seen: Seen, measure: str) -> None:
    told = found(seen, FULL)["measurements"][measure]
    landed = seen.land(Number(FULL, measure))
    assert landed.rows > 0
    if measure == "overfit_gap":
        assert f": {told['n']} in all" in landed.text
    else:
        assert landed.of == 3 * told["n"]
        assert "questions of within_twins" in landed.text


def test_suites_lead_to_the_rows_that_their_scores_are_of(seen: Seen) -> None:
    suites = found(seen, FULL)["suites"]
    measures = {"bbq_s_dis": "suite_bbq", "bbq_s_amb": "suite_bbq"}
    measures |= dict.fromkeys(
        ("pro_anti_gap", "gotcha_gap", "pronoun_consistency", "stereotype_share"), "suite_sentences"
    )
    for measure, name in measures.items():
        told = suites[name][measure]
        assert told["value"] is not None, told["reason"]
        assert seen.land(Number(FULL, measure, name)).rows == told["n"], measure


def test_the_spread_over_seeds_leads_to_where_they_differ(seen: Seen) -> None:
    landed = seen.land(Number(FULL, "accuracy", spread=True))
    assert (landed.met, landed.of) == (landed.rows, 130)
    assert 0 < landed.rows < 130


def test_no_condition_is_of_a_measure_that_there_is_not() -> None:
    assert {*CONDITIONS, *GAPS} <= {spec.name for spec in load_registry().measures}


@pytest.mark.parametrize("measure", ["train_s", "latency_p50_ms", "usd_per_1k", "ownership", "epochs", "unheard-of"])
def test_what_no_row_has_leads_to_the_cells(seen: Seen, measure: str) -> None:
    url = seen.behind(Number(FULL, measure))
    assert url is not None
    text = Page(seen.client.get(url).text).text
    assert "Cells of full@torch of" in text
    assert "phase seconds CPU seconds tokens FLOPs" in text
    assert "adapt 3.00 6.00 3,000 3e+09" in text
    assert text.count("Measured of this cell") == 3
    assert "train s 3 s 1" in text or "train s 3 [3, 3] s 1" in text
    assert "keras" not in text
    (rows,) = {link for link in Page(seen.client.get(url).text).values("href") if "timed=1" in link}
    timed = landed(seen.client, rows)
    assert timed.rows == 3, "after five that warm up"
    assert "Question 6 q5" in timed.text
    assert "10 ms" in timed.text


def test_all_cells_tell_status_and_reason(seen: Seen) -> None:
    url = seen.behind(Number(measure="budget"))
    assert url is not None
    text = Page(seen.client.get(url).text).text
    assert "oom : killed at 14 GB" in text
    assert text.count("Measured of this cell") == 7
    assert seen.client.get(f"{url}?arm=nobody").status_code == 400


def test_the_served_report_has_links_of_every_kind(seen: Seen) -> None:
    kinds = {name for link in served(seen) for name in parse_qs(urlsplit(link).query)}
    assert {"bin", "surest", "versus", "group", "marked", "hit", "flip", "gap", "abstained"} <= kinds
    assert len(served(seen)) > 150


@pytest.mark.slow
def test_links_of_the_served_report_lead_somewhere(seen: Seen) -> None:
    for link in {tuple(sorted(parse_qs(urlsplit(link).query))): link for link in served(seen)}.values():
        assert seen.client.get(link).status_code == 200, link


def served(seen: Seen) -> list[str]:
    """The addresses of the report's numbers."""
    page = Page(seen.client.get(report_url(RUN)).text)
    return [found["href"] or "" for tag, found in page.elements if tag == "a" and found.get("class") == "number"]


def test_the_served_report_may_use_its_own_style_sheet_and_nothing_else(seen: Seen) -> None:
    answered = seen.client.get(f"/run/{RUN}/report")
    policy = answered.headers["Content-Security-Policy"]
    page = Page(answered.text)
    (own,) = (found["content"] for tag, found in page.elements if found.get("http-equiv") == "Content-Security-Policy")
    assert own is not None
    (digest,) = re.findall(r"'sha256-[^']+'", own)
    assert policy == (
        f"default-src 'none'; style-src {digest}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert "script" not in {tag for tag, _ in page.elements}
    assert answered.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in seen.client.get("/").headers["Content-Security-Policy"]
    assert all((target or "").startswith(("#", "/run/")) for target in page.values("href"))


@pytest.mark.slow
def test_no_text_becomes_markup_of_reports_and_cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of attacks gives the elements and attributes that a harmless one gives, and links within this viewer."""
    without_charts(monkeypatch)
    monkeypatch.setattr(resampled, "__defaults__", (20, SEED))
    shapes = []
    for hostile in (False, True):
        runs, reports = Runs(spoilt(tmp_path / str(hostile), hostile)), Reports(load_registry)
        run = runs.open()
        index = run.set("test")
        arm, other = list(index.arms)[:2]
        (group,) = index.groups
        values = tuple(f"{group}:{value}" for value in index.groups[group][0])
        client = TestClient(viewer(runs, reports), base_url="http://127.0.0.1:8000")
        asked = [
            report_url(run.stored.id),
            cells_url(run.stored.id),
            cells_url(run.stored.id, arm),
            rows_url(run.stored.id, arm=arm, versus=other, size=3),
            rows_url(run.stored.id, arm=arm, group=values, size=3),
            rows_url(run.stored.id, arm=arm, marked=group, surest=7, size=3),
            cells_url(run.stored.id, arm + "x"),
        ]
        answers = [client.get(page) for page in asked]
        assert [each.status_code for each in answers] == [200] * 6 + [400], answers[0].text[-500:]
        pages = [Page(each.text) for each in answers]
        assert not any(CONTROL.search(each.text) for each in answers)
        for page in pages:
            links = [*page.values("href"), *page.values("src")]
            assert all(link.startswith(("/", "#")) and not link.startswith("//") for link in links)
        numbers = [found for tag, found in pages[0].elements if tag == "a" and found.get("class") == "number"]
        assert len(numbers) > 20
        assert client.get(numbers[0]["href"] or "").status_code == 200
        assert "script" not in {tag for tag, _ in pages[0].elements}
        shapes.append([page.shape for page in pages])
    for harmless, attacked in zip(*shapes, strict=True):
        assert harmless == attacked


def test_a_report_is_made_once_until_a_cell_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr("harness.view.reports.build_report", lambda store, registry, run: made.append(run) or {})
    monkeypatch.setattr("harness.view.runs.LOOK_AGAIN_S", -1.0)
    rows = [Row(Question("q", (Text("?"),), ("a", "b")), 0, "c")]
    done = WrittenArm("base", [{"test": Answers((np.array([1, 0], dtype=np.float32),))}])
    waiting = WrittenArm("rag", (), status=Status.PLANNED)
    write_run(tmp_path, RUN, WrittenTask({"test": rows}), [done, waiting], ended=False)
    runs, reports = Runs(tmp_path), Reports(load_registry)
    for _ in range(3):
        reports.document(runs.open())
    assert len(made) == 1
    write_run(tmp_path, RUN, WrittenTask({"test": rows}), [done, WrittenArm("rag", done.seeds)])
    reports.document(runs.open())
    assert len(made) == 2
