"""What backends that are services have in common: endpoints, secrets, purses, hosted training. No network."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, UsageError
from harness.remote import redaction
from harness.remote.endpoint import endpoint
from harness.remote.faults import Doubtful, Refused
from harness.remote.hosted import DEADLINE_S, DOUBT_S, Hosted
from harness.remote.machines import HIRED, MACHINE_SECONDS, Hire
from harness.remote.orders import HostedJob, HostedRecipe, Order, Pending, State
from harness.remote.purse import CapReached, Purse, read_ledger
from harness.remote.redaction import Redactor, end_output, redact_output

OWN = "https://service.example/v1"
CANARY = 'sk-canary/7+"é'


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/v1", "http://localhost:9", "http://[::1]:9/v1"])
def test_this_machine_is_emulated_and_needs_no_encryption(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANY_URL", url)
    assert endpoint("ANY_URL", OWN).emulated


@pytest.mark.parametrize(
    "url",
    [
        "http://service.example/v1",
        "http://127.0.0.1.service.example/v1",
        "http://localhost.service.example",
        "https://user:pass@service.example/v1",
        "https://service.example/v1?key=pass",
        "https://service.example/v1#pass",
        "ftp://service.example",
        "service.example/v1",
        "https://",
        "https://[::1",
        "https://service.example:port",
    ],
)
def test_what_may_not_be_used_is_refused_and_not_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANY_URL", url)
    with pytest.raises(UsageError) as refused:
        endpoint("ANY_URL", OWN)
    assert "pass" not in str(refused.value).replace("password", "")


def test_without_a_variable_it_is_the_services_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANY_URL", raising=False)
    found = endpoint("ANY_URL", OWN)
    assert (found.url, found.host, found.emulated) == (OWN, "service.example", False)


def test_some_services_have_no_endpoint_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANY_URL", "")
    with pytest.raises(UsageError, match="ANY_URL is not set; it must be a URL such as"):
        endpoint("ANY_URL", OWN, given=True)


# -- secrets -----------------------------------------------------------------------------------------------


def test_a_secret_is_taken_out_however_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    import json
    from urllib.parse import quote

    monkeypatch.setenv("ANY_KEY", CANARY)
    redact = Redactor(["ANY_KEY", "NOT_SET"])
    for text in (CANARY, json.dumps({"a": CANARY}), repr([CANARY]), f"https://x/{quote(CANARY, safe='')}"):
        assert "canary" not in redact(text)
        assert "[ANY_KEY]" in redact(text)
    assert redact("nothing") == "nothing"


def test_output_and_logs_are_redacted_though_they_come_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANY_KEY", CANARY)
    out, error = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", error)
    handler = logging.StreamHandler(error)
    logger = logging.getLogger("of.a.library")
    logger.addHandler(handler)
    logger.addHandler(logging._StderrHandler())  # type: ignore[attr-defined]
    try:
        redact_output(Redactor(["ANY_KEY"]))
        logger.warning("authorization: %s", CANARY)
        print("key", CANARY[:5], end="")
        sys.stdout.write(CANARY[5:] + "\n" + CANARY)
        end_output()
    finally:
        logger.handlers.clear()
    assert "canary" not in out.getvalue() + error.getvalue()
    assert (out.getvalue().count("[ANY_KEY]"), error.getvalue().count("[ANY_KEY]")) == (2, 2)


def test_a_secret_that_was_learnt_is_taken_out_by_every_redactor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redaction, "_learnt", {})
    before = Redactor(["NOT_SET"])
    redaction.learn(CANARY, "TOKEN")
    assert before(f"a {CANARY} b") == Redactor()(f"a {CANARY} b") == "a [TOKEN] b"
    assert before, "it may still learn one: what is written goes through it"
    assert not Redactor()


# -- purses ------------------------------------------------------------------------------------------------

RATES = {"input tokens": 1.0, "training tokens": 10.0}


@pytest.fixture
def purse(tmp_path: Path) -> Callable[..., Purse]:
    def opened(most_usd: float = 1.0) -> Purse:
        return Purse(tmp_path / "paid" / "cell.jsonl", RATES, most_usd)

    return opened


def test_what_was_paid_for_is_there_after_any_end(purse: Callable[..., Purse]) -> None:
    first = purse()
    first.intend("a", {"input tokens": 900_000})
    first.paid("a", {"mark": "B"}, {"input tokens": 100_000}, 2.5)
    first.intend("b", {"input tokens": 300_000})
    again = purse()  # nothing was closed: the process was killed
    found = again.answer("a")
    assert found is not None
    assert (found["answer"], found["s"]) == ({"mark": "B"}, 2.5)
    assert again.answer("b") is None
    assert again.ledger.known_usd == pytest.approx(0.1)
    assert again.ledger.doubt_usd == pytest.approx(0.3), "it may have been charged"


def test_a_torn_line_is_not_there_and_spoils_no_other(purse: Callable[..., Purse], tmp_path: Path) -> None:
    first = purse()
    first.intend("a", {"input tokens": 10})
    first.paid("a", "kept", {"input tokens": 10}, 0.0)
    first.intend("b", {"input tokens": 10})
    first.paid("b", "torn", {"input tokens": 10}, 0.0)
    first.close()
    file = tmp_path / "paid" / "cell.jsonl"
    file.write_bytes(file.read_bytes()[:-9])
    again = purse()
    again.intend("c", {"input tokens": 10})
    again.paid("c", "later", {"input tokens": 10}, 0.0)
    ledger = read_ledger(file)
    assert {key: line["answer"] for key, line in ledger.answers.items()} == {"a": "kept", "c": "later"}
    assert ledger.open["b"] == 1


def test_a_cap_counts_what_cannot_be_ruled_out(purse: Callable[..., Purse]) -> None:
    tight = purse(1.0)
    tight.intend("a", {"input tokens": 600_000})
    with pytest.raises(CapReached, match="--max-cost"):
        tight.intend("b", {"input tokens": 600_000})
    tight.refused("a")
    tight.intend("b", {"input tokens": 600_000})
    tight.paid("b", None, {"input tokens": 100_000}, 0.0)
    tight.intend("a", {"input tokens": 600_000})
    assert tight.ledger.spent_usd == pytest.approx(0.7)


def test_a_call_tried_twice_is_charged_once_and_doubted_once(purse: Callable[..., Purse]) -> None:
    one = purse()
    for _ in range(2):
        one.intend("a", {"input tokens": 500_000})
    one.paid("a", None, {"input tokens": 200_000}, 0.0)
    assert one.ledger.known_usd == pytest.approx(0.2)
    assert one.ledger.doubt_usd == pytest.approx(0.2), "the lost one cost what the other did"


def test_what_was_charged_on_a_guess_is_known_later(purse: Callable[..., Purse]) -> None:
    first = purse()
    for key, told in (("a", True), ("b", False)):
        first.intend(key, {"input tokens": 10})
        first.paid(key, None, {"input tokens": 10}, 0.0, guessed=not told)
    assert purse().ledger.guessed == 1


def test_tokens_without_a_price_are_not_free(purse: Callable[..., Purse]) -> None:
    with pytest.raises(HarnessError, match="no price of 1M output tokens"):
        purse().intend("a", {"output tokens": 1})


# -- hosted training ---------------------------------------------------------------------------------------

ORDER = Order("m", b"{}\n" * 12, b"", HostedRecipe(1, None, None, 0))


class Service:
    """Jobs in memory; `broken` says what each verb raises once."""

    def __init__(self) -> None:
        self.jobs: dict[str, HostedJob] = {}
        self.broken: dict[str, Exception] = {}
        self.lost: list[str] = []
        """Verbs that do their work and then tell nothing."""
        self.uploads: list[str] = []
        self.usable = True

    def _may(self, verb: str) -> None:
        if error := self.broken.pop(verb, None):
            raise error

    def upload(self, name: str, content: bytes) -> str:
        self._may("upload")
        self.uploads.append(name)
        return f"file-{name}"

    def ready(self, file: str) -> bool:
        self._may("ready")
        return self.usable

    def create(self, order: Order, train: str, validation: str | None) -> HostedJob:
        self._may("create")
        job = HostedJob(f"job-{len(self.jobs)}", State.RUNNING, "queued", order.label, float(len(self.jobs)))
        self.jobs[job.id] = job
        if "create" in self.lost:
            self.lost.remove("create")
            raise Doubtful("no answer")
        return job

    def labelled(self, prefix: str) -> Sequence[HostedJob]:
        self._may("labelled")
        return [job for job in self.jobs.values() if (job.label or "").startswith(prefix)]

    def job(self, id: str) -> HostedJob:
        self._may("job")
        return self.jobs[id]

    def cancel(self, id: str) -> HostedJob:
        return self.becomes(id, state=State.CANCELLED, told="cancelled")

    def becomes(self, id: str, **changes: object) -> HostedJob:
        self.jobs[id] = replace(self.jobs[id], **changes)  # type: ignore[arg-type]
        return self.jobs[id]


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def step(purse: Callable[..., Purse], service: Service, clock: Clock) -> Callable[[], HostedJob | Pending]:
    """One step of the order, in a process of its own as it were."""
    return lambda: Hosted(service, purse(), 1_000, clock=clock).go_on(ORDER)


Step = Callable[[], HostedJob | Pending]


def test_it_is_ordered_once_looked_at_and_ends(step: Step, service: Service, tmp_path: Path) -> None:
    assert isinstance(step(), Pending)
    assert isinstance(step(), Pending)
    service.becomes("job-0", state=State.SUCCEEDED, told="succeeded", model="ft:m", trained_tokens=500)
    for _ in range(2):
        found = step()
        assert isinstance(found, HostedJob)
        assert found.model == "ft:m"
    ledger = read_ledger(tmp_path / "paid" / "cell.jsonl")
    assert len(service.jobs) == 1
    assert (ledger.known_usd, ledger.doubt_usd) == (pytest.approx(0.005), 0)
    assert dict(ledger.billed) == {"training tokens": 500}


def test_a_lost_answer_is_adopted_by_its_label(step: Step, service: Service) -> None:
    service.lost.append("create")
    assert isinstance(step(), Pending)
    service.becomes("job-0", state=State.SUCCEEDED, told="succeeded", model="ft:m", trained_tokens=1)
    assert isinstance(step(), HostedJob)
    assert len(service.jobs) == 1


def test_a_job_of_an_earlier_order_of_the_cell_is_not_adopted(step: Step, service: Service) -> None:
    service.jobs["old"] = HostedJob("old", State.SUCCEEDED, "succeeded", "harness-cell-00000000", 0.0, "ft:old")
    service.lost.append("create")
    assert isinstance(step(), Pending)
    assert len(service.jobs) == 2


def test_what_cannot_be_found_is_looked_for_and_then_asked_about(step: Step, service: Service, clock: Clock) -> None:
    service.broken["create"] = Doubtful("dropped")
    assert isinstance(step(), Pending)
    service.broken["labelled"] = Doubtful("500")
    assert isinstance(step(), Pending)
    clock.now += DOUBT_S
    for fault in (Doubtful("500"), Refused("429", 0.5)):
        service.broken["labelled"] = fault
        assert isinstance(step(), Pending), "a list that was not read is no list without it"
    for _ in range(2):
        with pytest.raises(HarnessError, match="harness remote release harness-cell"):
            step()
    assert not service.jobs, "nothing is ordered again on a guess"


def test_a_refusal_is_told_and_may_be_tried_again(step: Step, service: Service, tmp_path: Path) -> None:
    service.broken["create"] = Refused("429", 0.5)
    assert step() == Pending("429", 0.5)
    service.broken["create"] = Refused("400: no such model")
    with pytest.raises(HarnessError, match="no such model"):
        step()
    assert read_ledger(tmp_path / "paid" / "cell.jsonl").spent_usd == 0
    assert isinstance(step(), Pending)
    assert len(service.jobs) == 1


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"state": State.FAILED, "told": "failed", "error": "bad rows"}, "job-0 failed: bad rows"),
        ({"state": State.FAILED, "told": "failed"}, "job-0 failed: the service tells no reason"),
        ({"state": State.CANCELLED, "told": "cancelled"}, "job-0 cancelled"),
        ({"state": State.SUCCEEDED, "told": "succeeded"}, "succeeded but names no model"),
    ],
)
def test_a_bad_end_stays_one(step: Step, service: Service, changes: dict[str, object], told: str) -> None:
    step()
    service.becomes("job-0", **changes)
    for _ in range(2):
        with pytest.raises(HarnessError, match=told):
            step()
    assert len(service.jobs) == 1, "another is ordered by --fresh alone"


def test_a_status_that_nobody_knows_is_no_end_but_has_a_deadline(step: Step, service: Service, clock: Clock) -> None:
    step()
    service.becomes("job-0", told="paused_by_an_update")
    assert isinstance(step(), Pending)
    service.broken["job"] = Doubtful("500")
    assert isinstance(step(), Pending)
    clock.now += DEADLINE_S + 1
    with pytest.raises(HarnessError, match="still paused_by_an_update after 48 hours"):
        step()
    service.becomes("job-0", state=State.SUCCEEDED, told="succeeded", model="ft:m", trained_tokens=1)
    assert isinstance(step(), HostedJob), "the same command goes on"


def test_files_must_be_ready_before_anything_is_ordered(step: Step, service: Service) -> None:
    service.usable = False
    assert isinstance(step(), Pending)
    assert not service.jobs
    service.broken["ready"] = Refused("the service cannot use the file")
    with pytest.raises(HarnessError, match="cannot use the file"):
        step()
    assert len(set(service.uploads)) == 1, "a file is known by its content"


def test_an_order_above_the_cap_is_not_sent(purse: Callable[..., Purse], service: Service) -> None:
    with pytest.raises(CapReached):
        Hosted(service, purse(0.001), 1_000).go_on(ORDER)
    assert not service.jobs


def test_an_intent_that_a_kill_tore_is_none(purse: Callable[..., Purse], step: Step, tmp_path: Path) -> None:
    """What it may cost and what it is are one line: there is no kill between them."""
    file = tmp_path / "paid" / "cell.jsonl"
    step()
    lines = [line for line in file.read_bytes().split(b"\n") if line]
    assert b'"sent"' in lines[0]
    assert b'"intended"' in lines[0]
    file.write_bytes(lines[0][:-9])
    assert read_ledger(file).order is None
    assert read_ledger(file).spent_usd == 0


# -- a hired machine ---------------------------------------------------------------------------------------


@pytest.fixture
def hire(tmp_path: Path, service: Service, clock: Clock) -> Callable[..., HostedJob | Pending]:
    def hires(of: str = "this") -> HostedJob | Pending:
        found = Purse(tmp_path / "paid" / "cell.jsonl", {MACHINE_SECONDS: 1e6 / 3600}, 5.0)
        wanted = Hire("small", b"work", 3600.0, "0.1.0")
        return Hosted[Any](service, found, 3600, charge=HIRED, of=of, clock=clock).go_on(wanted)

    return hires


Hires = Callable[..., HostedJob | Pending]


def test_a_machine_is_charged_by_its_seconds_also_where_it_failed(
    hire: Hires, service: Service, tmp_path: Path
) -> None:
    hire()
    service.becomes("job-0", state=State.FAILED, told="ERROR", billed_s=359.2)
    for _ in range(2):
        with pytest.raises(HarnessError, match="--fresh orders another machine"):
            hire()
    ledger = read_ledger(tmp_path / "paid" / "cell.jsonl")
    assert dict(ledger.billed) == {"machine seconds": 360}
    assert ledger.spent_usd == pytest.approx(0.1)
    assert next(iter(service.uploads)).endswith(".tar.gz")


def test_a_machine_of_which_no_seconds_are_told_costs_the_most(hire: Hires, service: Service, tmp_path: Path) -> None:
    hire()
    service.becomes("job-0", state=State.CANCELLED, told="CANCELED")
    with pytest.raises(HarnessError):
        hire()
    ledger = read_ledger(tmp_path / "paid" / "cell.jsonl")
    assert (ledger.spent_usd, ledger.guessed) == (pytest.approx(1.0), 1)


def test_a_machine_that_runs_on_beyond_its_time_is_ended(hire: Hires, service: Service) -> None:
    hire()
    service.becomes("job-0", billed_s=3599.0)
    hire()
    assert service.jobs["job-0"].state is State.RUNNING
    service.becomes("job-0", billed_s=3601.0)
    assert isinstance(hire(), Pending)
    assert service.jobs["job-0"].state is State.CANCELLED


def test_other_work_of_a_cell_is_another_order_once_the_first_has_ended(
    hire: Hires, service: Service, tmp_path: Path
) -> None:
    hire()
    with pytest.raises(HarnessError, match="harness remote cancel harness-cell-"):
        hire("that")
    service.becomes("job-0", state=State.SUCCEEDED, told="COMPLETED", billed_s=10.0)
    assert isinstance(hire(), HostedJob)
    assert isinstance(hire("that"), Pending)
    assert len(service.jobs) == 2
    service.becomes("job-1", state=State.SUCCEEDED, told="COMPLETED", billed_s=20.0)
    found = hire("that")
    assert isinstance(found, HostedJob)
    assert found.id == "job-1"
    assert dict(read_ledger(tmp_path / "paid" / "cell.jsonl").billed) == {"machine seconds": 30}
