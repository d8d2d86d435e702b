"""Backend `openai` against a stand-in on loopback: what it asks, what it pays, and what it makes of faults."""

from __future__ import annotations

import functools
import os
import pty
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import harness
from harness.errors import HarnessError
from harness.plugin import BackendSpec, Passage, Question, Text
from harness.registry import load_registry
from harness.remote.purse import CapReached, Purse, read_ledger
from harness.report import build_report
from harness.request import Asked
from harness.store import Store
from harness.testing import BackendKit
from harness_openai import harness_backends
from harness_openai.capabilities import describe
from tests.support.openai_server import State, serving
from tests.support.served import CAP_USD, RATES, TUNED, many, price_list, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

CANARY = "sk-canary-5b1f0e"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    with serving(State(key=CANARY)) as (url, state):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        monkeypatch.setenv("OPENAI_API_KEY", CANARY)
        yield state


Opened = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path, server: State) -> Iterator[Opened]:
    sessions = []

    def opens(model: str = "m", file: str = "cell.jsonl", most_usd: float = CAP_USD) -> Any:
        from harness_openai.backend import load

        purse = Purse(tmp_path / file, {sort: usd for (name, sort), usd in RATES.items() if name == model}, most_usd)
        session = load().open(describe(model), kind="choice", labels=(), seed=0, purse=purse)
        sessions.append(session)
        return session

    yield opens
    for session in sessions:
        session.close()


def ledger(tmp_path: Path, file: str = "cell.jsonl") -> Any:
    return read_ledger(tmp_path / file)


# -- answers -----------------------------------------------------------------------------------------------


def test_probabilities_are_those_that_the_service_tells(opened: Opened) -> None:
    session = opened()
    (row,) = session.answer(questions(1)).scores
    assert np.exp(row.astype(float)).sum() == pytest.approx(1, abs=1e-4)
    assert "not_probabilities" not in session.told()


@pytest.mark.parametrize(
    "supports", [set(), {"schema"}, {"logprobs"}, {"schema", "logprobs"}, {"temperature", "max_completion_tokens"}]
)
def test_a_server_that_understands_less_answers_the_same(server: State, opened: Opened, supports: set[str]) -> None:
    whole = [int(row.argmax()) for row in opened(file="whole.jsonl").answer(questions(6)).scores]
    server.supports = frozenset(supports)
    session = opened()
    answers = session.answer(questions(6))
    assert answers.chosen == whole
    told = session.told()
    assert ("not_probabilities" in told) == ("logprobs" not in supports)
    assert told["service"]["notes"] == []


def test_many_choices_are_numbered(server: State, opened: Opened) -> None:
    labels = tuple(f"label {number}" for number in range(40))
    asked = Question("q", (Text("which?"),), labels, (Passage("d", "of label 33 it is 33"),), 1.0)
    assert opened().answer([asked]).scores[0].shape == (40,)


def test_passages_are_read_and_named(opened: Opened) -> None:
    asked = [
        replace(question, passages=(Passage("d1", "it is noon they say noon"),), reading=1.0)
        for question in questions(3)
    ]
    answers = opened().answer(asked)
    assert answers.chosen == [3, 3, 3]
    assert list(answers.passages) == [("d1",)] * 3


def test_order_and_company_change_nothing_and_cost_nothing_again(server: State, opened: Opened) -> None:
    session, asked = opened(), questions(12)
    together = session.answer(asked).scores
    paid = server.calls.total()
    backwards = session.answer(asked[::-1]).scores[::-1]
    alone = [session.answer([question]).scores[0] for question in asked]
    for other in (backwards, alone):
        assert all(np.array_equal(a, b) for a, b in zip(together, other, strict=True))
    assert server.calls.total() == paid == 12


def test_equal_questions_are_asked_once(server: State, opened: Opened) -> None:
    opened().answer([replace(questions(1)[0], id=str(number)) for number in range(5)])
    assert server.calls.total() == 1


def test_only_a_few_are_asked_at_once(server: State, opened: Opened) -> None:
    from harness.remote.paying import CONCURRENCY

    server.pause_s = 0.02
    opened().answer(questions(40))
    assert 2 <= server.busiest <= CONCURRENCY


def test_an_answer_that_cannot_be_read_is_chance_and_told(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.openai_server import Api

    real = Api.chat

    def mumbles(self: Api, body: dict[str, Any]) -> dict[str, Any]:
        found = real(self, body)
        found["choices"][0]["message"]["content"] = "I would rather not say."
        return found

    monkeypatch.setattr(Api, "chat", mumbles)
    session = opened()
    first, again = session.answer(questions(8)), session.answer(questions(8)[::-1])
    assert first.chosen == again.chosen[::-1]
    assert len(set(first.chosen)) > 1, "not always the first choice"
    assert session.told()["service"]["notes"] == ["8 of 8 answers could not be read: chosen by chance"]


@pytest.mark.parametrize(("written", "asked"), [("", 2), ("well, let me see: one", 1)])
def test_only_a_model_that_thinks_is_given_more_room(
    server: State, opened: Opened, monkeypatch: pytest.MonkeyPatch, written: str, asked: int
) -> None:
    """What writes until it is cut off would write on, at 64 times the price."""
    from tests.support.openai_server import Api

    real = Api.chat

    def cut(self: Api, body: dict[str, Any]) -> dict[str, Any]:
        found = real(self, body)
        if body["max_completion_tokens"] < 100:
            found["choices"][0]["finish_reason"] = "length"
            found["choices"][0]["message"]["content"] = written
        return found

    monkeypatch.setattr(Api, "chat", cut)
    session = opened()
    session.answer(questions(3))
    assert server.calls.total() == 3 * asked
    assert bool(session.told()["service"]["notes"]) == (asked == 1)


def test_who_answered_is_told(opened: Opened) -> None:
    session = opened()
    session.answer(questions(2))
    told = session.told()["service"]
    assert told["answered_by"] == ["m-snapshot"]
    assert told["sdk"].startswith("openai ")
    assert len(told["requests"]) == 2
    assert told["calls"] == 2


def test_usage_is_the_services_own(server: State, opened: Opened, tmp_path: Path) -> None:
    session = opened()
    session.answer(questions(7))
    used = session.usage()
    assert used.billed == {sort: server.tokens["m", sort] for sort in ("input tokens", "output tokens")}
    assert used.tokens == sum(used.billed.values())
    session.forget()
    session.answer(questions(7))
    again = session.usage()
    assert again.billed == used.billed, "as if it had been asked cold"
    assert (again.wall_s or 0) > 0, "and as slowly"
    assert dict(ledger(tmp_path).billed) == used.billed, "though it was paid for once"


def test_vectors_are_of_unit_length_in_the_order_asked(server: State, opened: Opened) -> None:
    session = opened("m-embed")
    texts = [f"text {number} of {'many ' * (number % 3)}words" for number in range(150)]
    together = session.embed(texts)
    assert together.shape == (150, 48)
    assert together.dtype == np.float32
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.array_equal(session.embed(texts[::-1])[::-1], together)
    assert np.array_equal(session.embed(texts[3:4])[0], together[3])
    assert server.calls.total() == 3
    assert session.usage().billed == {"embedding tokens": server.tokens["m-embed", "embedding tokens"]}


# -- faults ------------------------------------------------------------------------------------------------

SURE = ("500", "429", "429-after", "slow")
DOUBTFUL = ("drop-before", "drop-after", "truncated")


@pytest.mark.parametrize("fault", [*SURE, *DOUBTFUL])
def test_a_fault_is_outlived_and_accounted_for(server: State, opened: Opened, tmp_path: Path, fault: str) -> None:
    seen = random.Random(fault)
    server.faults = lambda method, path: fault if seen.random() < 0.4 else None
    answers = opened().answer(questions(15))
    server.faults = lambda method, path: None
    assert answers.chosen == opened(file="calm.jsonl").answer(questions(15)).chosen
    calm = ledger(tmp_path, "calm.jsonl").known_usd
    spent, found = server.usd(RATES) - calm, ledger(tmp_path)
    assert found.known_usd == pytest.approx(calm)
    assert found.known_usd - 1e-12 <= spent <= found.known_usd + found.doubt_usd + 1e-12
    if fault in SURE:
        assert found.doubt_usd == 0
        assert spent == pytest.approx(found.known_usd)
    elif fault == "drop-after":
        assert spent == pytest.approx(found.known_usd + found.doubt_usd), "each was charged, and each stands as a doubt"


def test_retry_after_is_waited_for(server: State, opened: Opened) -> None:
    faults = ["429-after"] * 3
    server.faults = lambda method, path: faults.pop() if faults else None
    began = time.monotonic()
    opened().answer(questions(1))
    assert time.monotonic() - began >= 3 * 0.05
    assert len(server.requests) == 4


def test_a_used_up_quota_is_no_rate_limit(server: State, opened: Opened) -> None:
    from harness.remote.paying import CONCURRENCY

    server.faults = lambda method, path: "quota"
    with pytest.raises(HarnessError, match="quota or balance is used up"):
        opened().answer(questions(60))
    assert len(server.requests) <= CONCURRENCY, "no loop"


def test_what_came_before_a_fatal_error_is_kept(server: State, opened: Opened, tmp_path: Path) -> None:
    server.faults = lambda method, path: "quota" if len(server.requests) > 20 else None
    with pytest.raises(HarnessError, match="quota"):
        opened().answer(questions(60))
    kept = ledger(tmp_path).calls
    assert kept == server.calls.total() >= 20
    server.faults = lambda method, path: None
    opened().answer(questions(60))
    assert server.calls.total() == 60
    assert max(server.calls.values()) == 1, "nothing is paid for twice"


def test_it_follows_no_redirect(server: State, opened: Opened) -> None:
    server.faults = lambda method, path: "redirect"
    with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
        opened().answer(questions(1))
    assert len(server.requests) == 1


def test_a_wrong_key_is_told_without_the_key(
    server: State, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-other-canary")
    with pytest.raises(HarnessError, match=r"401 invalid_api_key: .*\[OPENAI_API_KEY\]") as refused:
        opened().answer(questions(1))
    assert "canary" not in str(refused.value)
    assert b"canary" not in (tmp_path / "cell.jsonl").read_bytes()


def test_a_cap_stops_before_the_call_that_could_pass_it(server: State, opened: Opened) -> None:
    with pytest.raises(CapReached, match="--max-cost"):
        opened(most_usd=0.002).answer(questions(60))
    assert 0 < server.usd(RATES) <= 0.002


# -- whole runs --------------------------------------------------------------------------------------------

Ran = Callable[..., dict[str, Any]]


@pytest.fixture
def ran(server: State, tiny: Path, tmp_path: Path) -> Ran:
    """Runs the tiny task; returns the report."""

    def run(**changes: Any) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "strategies": ["base", "rag:retriever=bm25"],
            "backends": ["openai"],
            "models": ["openai:m"],
            "prices": price_list(tmp_path),
            "allow_spend": True,
            "max_cost_usd": CAP_USD,
            "store": tmp_path / "store",
        }
        return dict(harness.run(tiny, **{**asked, **changes}).report)

    return run


def spent(store: Path) -> float:
    return sum(read_ledger(file).known_usd for file in (store / "paid").glob("*.jsonl"))


def test_a_run_is_one_table_with_money_and_says_that_it_is_emulated(ran: Ran, server: State, tmp_path: Path) -> None:
    arms = ["base", "rag:retriever=bm25", "hosted", "hosted+rag:retriever=bm25:k=1:reading=1", "probe"]
    report = ran(strategies=arms, models=["openai:m", "openai:m-embed"])
    rows = {row["arm"]: row for row in report["table"]}
    assert set(rows) == {
        "base@openai:m",
        "rag:retriever=bm25@openai:m",
        "hosted@openai:m",
        "hosted+rag:k=1:reading=1.0:retriever=bm25@openai:m",
        "probe@openai:m-embed",
    }
    for row in rows.values():
        assert any(note.startswith("emulated: answered by a stand-in at http://127.0.0.1") for note in row["notes"])
        assert row["measurements"]["accuracy"]["basis"] == "emulated"
        assert row["measurements"]["usd_per_1k"]["value"] > 0
        assert row["measurements"]["gpu_hours"]["value"] is None
    hosted = rows["hosted@openai:m"]["measurements"]
    assert hosted["accuracy"]["value"] == 100.0 > rows["base@openai:m"]["measurements"]["accuracy"]["value"]
    assert hosted["train_usd"]["value"] > 0
    assert rows["base@openai:m"]["measurements"]["train_usd"]["value"] == 0
    assert spent(tmp_path / "store") == pytest.approx(server.usd(RATES), abs=1e-12)
    assert report["run"]["leaving"][0]["emulated"]
    kept_here = build_report(Store(tmp_path / "store"), load_registry(), asked=Asked(criteria="data_may_leave=false"))
    assert kept_here["decision"]["outcome"] == "none is good enough"
    assert all("data may not leave" in arm["fails"][0] for arm in kept_here["decision"]["arms"])
    for format in ("table", "markdown", "csv", "json"):
        assert "stand-in" in (shown := load_registry().reporters.get(format).render(report)) or format == "csv"
        assert CANARY not in shown


def test_the_same_command_pays_for_nothing_again(ran: Ran, server: State) -> None:
    ran()
    paid = server.calls.total()
    ran()
    assert server.calls.total() == paid
    ran(strategies=["base"], fresh=True)
    assert server.calls.total() > paid


def test_a_killed_run_pays_for_nothing_again(
    ran: Ran, server: State, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The whole command is killed, some answers in; the calls that were on their way are all that is asked again."""
    from harness.remote.paying import CONCURRENCY

    server.pause_s = 0.05
    program = [sys.executable, "-m", "harness", "run", "--task", str(tiny), "--strategy", "base", "--backend", "openai"]
    program += ["--model", "openai:m", "--prices", str(price_list(tmp_path)), "--allow-spend", "--max-cost", "5"]
    kills = 0
    for least in (3, 10, 18):
        process = subprocess.Popen([*program, "--store", str(tmp_path / "store")], stderr=subprocess.DEVNULL)
        while process.poll() is None and server.calls.total() < least:
            time.sleep(0.005)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills == 3
    server.pause_s = 0.0
    report = ran(strategies=["base"])
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    (file,) = (tmp_path / "store" / "paid").glob("*.jsonl")
    found = read_ledger(file)
    assert found.calls == len(found.answers), "no answer was paid for twice"
    assert server.calls.total() - found.calls <= sum(found.open.values()) <= kills * CONCURRENCY
    assert found.known_usd <= server.usd(RATES) <= found.spent_usd + 1e-12
    calm = ran(strategies=["base"], store=tmp_path / "calm")
    billed = [one["cells"][0]["usage"]["total"]["billed"] for one in (report, calm)]
    assert billed[0] == billed[1], "a resumed cell tells what it would have cost at once"


def interrupted(tiny: Path, tmp_path: Path, server: State, answer: str | None) -> tuple[int, str]:
    """A run that is interrupted while its training goes on; with an answer, at a terminal. Its exit code and stderr."""
    server.polls = 10**6
    program = [sys.executable, "-m", "harness", "run", "--task", str(tiny), "--strategy", "hosted"]
    program += ["--backend", "openai", "--model", "openai:m", "--prices", str(price_list(tmp_path))]
    program += ["--allow-spend", "--max-cost", "5", "--store", str(tmp_path / "store")]
    # A shell that starts the tests in the background has its children ignore SIGINT.
    unignored = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    ours, terminal = pty.openpty()
    given = subprocess.DEVNULL if answer is None else terminal
    with open(ours, "wb", buffering=0) as keyboard:
        process = subprocess.Popen(program, stdin=given, stderr=subprocess.PIPE, text=True, preexec_fn=unignored)
        os.close(terminal)
        while not server.looks:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        if answer is not None:
            keyboard.write(f"{answer}\n".encode())
        _, told = process.communicate(timeout=60)
    return process.returncode, told


def test_a_hosted_job_outlives_the_command(ran: Ran, server: State, tiny: Path, tmp_path: Path) -> None:
    code, told = interrupted(tiny, tmp_path, server, None)
    assert code == 130
    assert "at the service go on: harness-" in told
    assert "cancel them" not in told, "nobody is there to answer"
    server.polls = 0
    report = ran(strategies=["hosted"])
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    assert len(server.jobs) == 1


@pytest.mark.parametrize(("answer", "cancelled"), [("y", True), ("n", False)])
def test_at_a_terminal_it_asks_whether_to_cancel(
    server: State, tiny: Path, tmp_path: Path, answer: str, cancelled: bool
) -> None:
    code, told = interrupted(tiny, tmp_path, server, answer)
    assert code == 130
    assert "cancel them instead?" in told
    (job,) = server.jobs.values()
    assert (job["status"] == "cancelled") == cancelled


@pytest.mark.parametrize(("fate", "told"), [("failed-empty", "tells no reason"), ("no-model", "names no model")])
def test_a_failed_job_is_a_failed_cell_and_is_not_ordered_again(ran: Ran, server: State, fate: str, told: str) -> None:
    server.fate = lambda job: fate
    for _ in range(2):
        report = ran(strategies=["hosted"])
        assert [cell["status"] for cell in report["cells"]] == ["failed"]
        assert told in report["cells"][0]["reason"]
    assert len(server.jobs) == 1


@pytest.mark.slow
def test_no_byte_that_is_kept_or_shown_holds_the_key(
    ran: Ran, server: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Debug logs of the SDK on, the service telling the key back, answers and training failing in every way."""
    monkeypatch.setenv("OPENAI_LOG", "debug")
    server.echoes_key = True
    faults = ["500", "429-after", "drop-after", "truncated"] * 2
    server.faults = lambda method, path: faults.pop() if faults and path.endswith("completions") else None
    for fatal in ("quota", "redirect", None):
        report = ran(strategies=["base", "rag:retriever=bm25", "hosted"], keep="all")
        assert CANARY not in str(report)
        server.faults = lambda method, path, fatal=fatal: fatal  # type: ignore[misc]
    assert any(b"[OPENAI_API_KEY]" in file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file())
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(kept) > 10
    assert [file for file in kept if CANARY.encode() in file.read_bytes()] == []
    out, error = capfd.readouterr()
    assert CANARY not in out + error


def test_orphans_are_what_no_cell_claims(ran: Ran, server: State, tmp_path: Path) -> None:
    from harness.orphans import cancel, labelled, release

    server.polls = 10**6
    from tests.support.openai_server import Api

    api = Api(server)
    file = api.upload("x.jsonl", b"{}\n")["id"]
    stranger = api.create_job(
        {"model": "m", "training_file": file, "metadata": {"harness": "harness-of-another-store"}}
    )
    api.create_job({"model": "m", "training_file": file, "metadata": None})
    registry, store = load_registry(), tmp_path / "store"
    (row,) = labelled(registry, store)
    assert (row["job"], row["cell"], row["state"]) == (stranger["id"], None, "validating_files")
    assert cancel(registry, row["label"], store).told == "cancelled"
    assert labelled(registry, store) == []
    purse = Purse(store / "paid" / "abc.jsonl", TUNED, CAP_USD)
    purse.note({"state": "intended", "label": "harness-abc-1", "at": 0.0})
    assert [row["state"] for row in labelled(registry, store)] == ["in doubt"]
    assert release(store, "harness-abc-1") == "abc"
    assert labelled(registry, store) == []


@pytest.mark.slow
def test_random_lifecycles_pay_for_nothing_twice(tmp_path: Path) -> None:
    found = many(tmp_path, 40, seed=1)
    assert [number for number, ended in enumerate(found) if not ended.sound] == []
    assert {ended.outcome for ended in found} == {"done", "failed"}
    assert sum(ended.kills for ended in found) > 5


class TestOpenAI(BackendKit):
    """What every backend must do; it tunes in none of the ways that the kit knows."""

    spec: ClassVar[BackendSpec] = next(iter(harness_backends()))
    seeded = False

    @pytest.fixture(autouse=True)
    def _served(self, server: State, tmp_path: Path) -> None:
        type(self).run_options = {"prices": price_list(tmp_path), "allow_spend": True, "max_cost_usd": CAP_USD}

    @pytest.fixture(params=["m", "m-embed"])
    def model(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


def test_importing_the_plugin_imports_no_sdk() -> None:
    look = "import sys, harness_openai; list(harness_openai.harness_backends()); print('openai' in sys.modules)"
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "False"
