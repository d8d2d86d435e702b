"""What every backend that asks a service promises of whole runs: one table, nothing paid for twice, no secret kept."""

from __future__ import annotations

import os
import pty
import re
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from harness.orphans import cancel, labelled, release
from harness.plugin import BackendSpec
from harness.processes import LocalProcesses
from harness.registry import load_registry
from harness.remote.hosting import HOSTING
from harness.remote.paying import CONCURRENCY
from harness.remote.purse import Purse
from harness.report import build_report
from harness.request import Asked
from harness.store import Store
from harness.testing import BackendKit, tiny_task
from harness.testing.sessions import WAYS
from tests.plugins.conftest import Opened, Runs, hurry, look, of_some, opening, serving
from tests.support.forked import Command, Forked
from tests.support.lifecycles import many
from tests.support.services import CANARY, CAP_USD, CLOCKS_S, TUNED, Service, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

TRAINING = of_some(lambda service: service.trains)


# -- one run, of which several things are to be said -------------------------------------------------------

ANSWERS = ("base", "rag:retriever=bm25", "fewshot:retriever=bm25")
TRAINS = ("hosted", "hosted+rag:k=1:reading=1.0:retriever=bm25")


@dataclass(frozen=True)
class Done:
    report: dict[str, Any]
    runs: Runs
    least_usd: float
    most_usd: float
    """Of what the stand-in charged, give or take its clock and ours."""
    secret: str
    deployed: int
    """What is left."""
    paid: tuple[int, int]
    """Calls, after the first command and after the same one again."""


@pytest.fixture(scope="module")
def done(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Done]:
    """Every strategy on every model, twice."""
    folder = tmp_path_factory.mktemp(service.name)
    (folder / "task").mkdir()
    runs = Runs(service, tiny_task(folder / "task"), folder)
    options = {
        "strategies": [*ANSWERS, *TRAINS, "probe"],
        "models": [f"{service.name}:{model}" for model in (service.model, service.embeds)],
    }
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        with serving(service, patch):
            session = opening(service, folder / "warm" / "cell.jsonl")  # so that no worker imports what it needs
            session.answer(questions(1))
            session.close()
        with serving(service, patch) as state:
            report = runs(**options)
            paid = state.calls.total()
            owed, hours = service.owes(state), sum(each.billed[HOSTING] > 0 for each in runs.ledgers())
            most = owed + hours * CLOCKS_S / 3600 * service.hour_usd if service.counted else 2 * owed
            runs(**options)
            yield Done(report, runs, owed, most, CANARY, len(service.deployed(state)), (paid, state.calls.total()))


def rows(done: Done) -> dict[str, dict[str, Any]]:
    return {row["arm"]: row for row in done.report["table"]}


def test_a_run_is_one_table_with_money_and_says_that_it_is_emulated(service: Service, done: Done) -> None:
    found, chat = rows(done), f"@{service.name}:{service.model}"
    arms = ANSWERS + (TRAINS if service.trains else ())
    assert set(found) == {f"probe@{service.name}:{service.embeds}", *(f"{arm}{chat}" for arm in arms)}
    for row in found.values():
        assert any(note.startswith("emulated: answered by a stand-in at http://127.0.0.1") for note in row["notes"])
        assert row["measurements"]["accuracy"]["basis"] == "emulated"
        assert row["measurements"]["usd_per_1k"]["value"] > 0
        assert row["measurements"]["gpu_hours"]["value"] is None
    assert done.report["run"]["leaving"][0]["emulated"]
    assert found[f"base{chat}"]["measurements"]["train_usd"]["value"] == 0
    if service.trains:
        hosted = found[f"hosted{chat}"]["measurements"]
        assert hosted["accuracy"]["value"] == 100.0 > found[f"base{chat}"]["measurements"]["accuracy"]["value"]
        assert hosted["train_usd"]["value"] > 0
    else:
        reasons = [cell["reason"] for cell in done.report["cells"] if cell["status"] == "skipped"]
        assert any(service.untrained in reason for reason in reasons)
    if not service.counted:
        assert any("charged at the most" in note for note in found[f"probe@{service.name}:{service.embeds}"]["notes"])


def test_what_a_run_tells_that_it_spent_is_what_the_service_charged(done: Done) -> None:
    assert done.least_usd - 1e-12 <= done.runs.spent_usd() <= done.most_usd + 1e-12
    assert sum(ledger.doubt_usd for ledger in done.runs.ledgers()) == 0
    assert done.deployed == 0


def test_the_same_command_pays_for_nothing_again(done: Done) -> None:
    first, second = done.paid
    assert 0 < first == second


def test_the_stand_in_and_no_secret_is_in_every_format_and_no_secret_in_any_file(done: Done) -> None:
    registry = load_registry()
    for format in ("table", "markdown", "csv", "json"):
        shown = registry.reporters.get(format).render(done.report)
        assert "stand-in" in shown or format == "csv"
        assert done.secret not in shown
    assert [file for file in done.runs.kept() if done.secret.encode() in file.read_bytes()] == []


def test_where_data_may_not_leave_none_is_good_enough(done: Done) -> None:
    here = build_report(Store(done.runs.store), load_registry(), asked=Asked(criteria="data_may_leave=false"))
    assert here["decision"]["outcome"] == "none is good enough"
    assert all("data may not leave" in arm["fails"][0] for arm in here["decision"]["arms"])


# -- runs of their own -------------------------------------------------------------------------------------


def test_without_leave_to_spend_nothing_is_sent_and_fresh_answers_are_paid_again(ran: Runs, server: Any) -> None:
    assert {cell["status"] for cell in ran(allow_spend=False)["cells"]} == {"skipped"}
    assert server.requests == []
    ran()
    paid = server.calls.total()
    ran(fresh=True)
    assert server.calls.total() > paid > 0


def test_a_killed_run_pays_for_nothing_again(service: Service, ran: Runs, server: Any, tmp_path: Path) -> None:
    """The whole command is killed, some answers in; the calls that were on their way are all that is asked again."""
    server.pause_s, kills = 0.05, 0
    for least in (3, 12):
        process = Command(*ran.command("base"))
        while process.poll() is None and server.calls.total() < least:
            time.sleep(0.002)
        kills += process.poll() is None
        process.kill()
        process.wait()
    assert kills == 2
    server.pause_s = 0.0
    report = ran()
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    (found,) = ran.ledgers()
    assert found.calls == len(found.answers), "no answer was paid for twice"
    assert server.calls.total() - found.calls <= sum(found.open.values()) <= kills * CONCURRENCY
    assert found.known_usd <= service.owes(server) <= found.spent_usd + 1e-12
    calm = ran(store=tmp_path / "calm")
    billed = [one["cells"][0]["usage"]["total"]["billed"] for one in (report, calm)]
    assert billed[0] == billed[1], "a resumed cell tells what it would have cost at once"


def interrupted(ran: Runs, server: Any, answer: str | None) -> tuple[int, str]:
    """A command that is interrupted while its training goes on; with an answer, at a terminal. Exit code and stderr."""
    server.polls = 10**6
    ours, terminal = pty.openpty()
    with open(ours, "wb", buffering=0) as keyboard:
        process = Command(*ran.command("hosted"), stdin=None if answer is None else terminal)
        os.close(terminal)
        while process.poll() is None and not server.looks:
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        if answer is not None:
            keyboard.write(f"{answer}\n".encode())
        told = process.told()
    return process.wait(), told


@TRAINING
def test_a_hosted_job_outlives_the_command(ran: Runs, server: Any) -> None:
    code, told = interrupted(ran, server, None)
    assert code == 130
    assert "at the service go on: harness-" in told
    assert "cancel them" not in told, "nobody is there to answer"
    server.polls = 0
    assert [cell["status"] for cell in ran(strategies=["hosted"])["cells"]] == ["done"]
    assert len(server.jobs) == 1


@TRAINING
@pytest.mark.parametrize("answer", ["y", "n"])
def test_at_a_terminal_it_asks_whether_to_cancel(ran: Runs, server: Any, answer: str) -> None:
    code, told = interrupted(ran, server, answer)
    assert code == 130
    assert "cancel them instead?" in told
    ((_, state),) = jobs(ran.service)
    assert (state in CANCELLED) == (answer == "y"), state


CANCELLED = ("cancelled", "Stopped")


def jobs(service: Service) -> list[tuple[str, str]]:
    """Label and state of whatever of ours is at the service."""
    found = service.part("jobs").jobs().labelled("harness-")
    return [(each.label, each.told) for each in found]


@TRAINING
def test_a_run_killed_while_it_trains_orders_no_second_one(ran: Runs, server: Any) -> None:
    server.polls = 10**6
    process = Command(*ran.command("hosted"))
    while process.poll() is None and not server.looks:
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    server.polls = 0
    assert [cell["status"] for cell in ran(strategies=["hosted"])["cells"]] == ["done"]
    assert len(server.jobs) == 1


@TRAINING
def test_a_failed_job_is_a_failed_cell_and_is_not_ordered_again(service: Service, ran: Runs, server: Any) -> None:
    server.fate = lambda job: "failed-empty"
    for _ in range(2):
        (cell,) = ran(strategies=["hosted"])["cells"]
        assert (cell["status"], "tells no reason" in cell["reason"]) == ("failed", True)
    assert len(server.jobs) == 1


@TRAINING
def test_orphans_are_what_no_cell_claims(service: Service, server: Any, opened: Opened, ran: Runs) -> None:
    """A training of a store that is not this one, beside one that nobody here labelled, and one in doubt."""
    server.polls = 10**6
    look(opened(file="elsewhere.jsonl", trains=True))
    registry = load_registry()
    (row,) = ours(registry, ran.store)
    assert (row["backend"], row["cell"], row["left"]) == (service.name, None, True)
    assert cancel(registry, row["label"], ran.store).told in CANCELLED
    assert ours(registry, ran.store) == []
    purse = Purse(ran.store / "paid" / "abc.jsonl", TUNED, CAP_USD)
    purse.note({"state": "intended", "label": "harness-abc-1", "at": 0.0})
    assert [row["state"] for row in ours(registry, ran.store)] == ["in doubt"]
    assert release(ran.store, "harness-abc-1") == "abc"
    assert ours(registry, ran.store) == []


def ours(registry: Any, store: Path) -> list[dict[str, Any]]:
    """Of services that can be listed here, what goes on."""
    return [dict(row) for row in labelled(registry, store) if row["label"]]


SPARED = re.compile("/token$|^/a-bucket/")
"""Logins, and S3, which has redirects of its own."""


@pytest.mark.slow
def test_no_byte_that_is_kept_or_shown_holds_a_secret(
    service: Service, ran: Runs, server: Any, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Debug logs of the SDK on, the service telling secrets back, answers and training failing in every way.

    In processes that import the SDK themselves, for each way of being let in.
    """
    server.echoes_key, server.polls = True, 0
    where = os.environ[next(iter(service.environment("")))]
    for name, value in (service.loud or {}).items():
        monkeypatch.setenv(name, value)
    for number, login in enumerate(service.logins):
        (folder := ran.folder.parent / f"{ran.folder.name}-login-{number}").mkdir()
        surroundings, secrets = login.lets(server, folder, where)
        for name, value in surroundings.items():
            monkeypatch.setenv(name, value)
        store = ran.store / str(number)
        store.mkdir(parents=True)
        with LocalProcesses(store) as processes:
            for fatal, ends in (("quota", "failed"), ("redirect", "failed"), (None, "done")):
                faults = ["500", "429-after", "drop-after", "truncated"]

                def fault(method: str, path: str, fatal: str | None = fatal, faults: list[str] = faults) -> str | None:
                    if SPARED.search(path):
                        return None
                    return fatal or (faults.pop() if faults and path.endswith(service.answering) else None)

                server.faults = fault
                report = ran(processes, strategies=["base", "hosted"], keep="all", store=store)
                assert {cell["status"] for cell in report["cells"]} - {"skipped"} == {ends}
                assert "canary" not in str(report)
        assert not faults
        kept = [file for file in store.rglob("*") if file.is_file()]
        shown = "".join(capfd.readouterr())
        for secret in ("canary", *secrets):
            assert [file for file in kept if secret.encode() in file.read_bytes()] == []
            assert secret not in shown
        assert any(login.mark.encode() in file.read_bytes() for file in kept)


@pytest.mark.slow
@of_some(lambda service: service.lived is not None)
def test_random_lifecycles_pay_for_nothing_twice(service: Service, tmp_path: Path) -> None:
    """`benchmarks/lifecycles.py` runs a thousand."""
    found = many(tmp_path, 10, seed=1, service=service)
    assert [number for number, ended in enumerate(found) if not ended.sound] == []
    assert {ended.outcome for ended in found} == ({"done", "failed"} if service.trains else {"done"})
    assert sum(ended.kills for ended in found) > 0


class TestBackend(BackendKit):
    """What every backend must do, but for ways of tuning that services do not know."""

    spec: ClassVar[BackendSpec]
    seeded = False
    test_tuning_learns_and_tells_how = None
    test_the_same_seed_gives_the_same_answers = None
    test_the_seed_decides_what_is_random = None
    test_saved_and_opened_again_it_answers_the_same = None

    def test_it_tunes_in_none_of_these_ways(self, model: str) -> None:
        assert not [each for each in self._offered(model) if each.startswith(tuple(f"tune:{way}:" for way in WAYS))]

    @pytest.fixture(autouse=True)
    def _served(self, service: Service, server: Any, ran: Runs) -> None:
        type(self).spec = service.spec
        type(self).run_options = {"prices": ran.prices, "allow_spend": True, "max_cost_usd": CAP_USD}

    @pytest.fixture
    def executor(self, tmp_path: Path) -> Iterator[Forked]:
        with Forked(tmp_path) as workers:
            yield workers

    @pytest.fixture(params=["model", "embeds"])
    def model(self, service: Service, request: pytest.FixtureRequest) -> str:
        return str(getattr(service, request.param))
