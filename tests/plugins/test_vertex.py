"""Backend `vertex` against a stand-in on loopback: what it asks, what it pays, and what it makes of faults."""

from __future__ import annotations

import functools
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import harness
from harness.errors import HarnessError, ModelError, UsageError
from harness.plugin import BackendSpec, Question, Text
from harness.registry import load_registry
from harness.remote.faults import Doubtful, Refused
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.purse import CapReached, Purse, read_ledger
from harness.testing import BackendKit
from harness_vertex import harness_backends
from harness_vertex.capabilities import describe, endpoint, offers, storage, unready, why_not
from harness_vertex.dates import notices
from tests.support.served import CAP_USD, RATES, VERTEX, many, material, price_list, questions
from tests.support.vertex_server import State, serving

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

CANARY = "ya29.canary-5b1f0e"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[State]:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    with serving() as (url, state):
        for name, value in VERTEX.environment(url).items():
            monkeypatch.setenv(name, value)
        yield state


@pytest.fixture
def account(server: State, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A service account whose tokens the stand-in gives out; its private key's text."""
    import os

    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    server.key = server.token = CANARY
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    told = {
        "type": "service_account",
        "project_id": "project-1",
        "private_key_id": "1",
        "private_key": key.decode(),
        "client_email": "harness@project-1.iam.gserviceaccount.com",
        "client_id": "1",
        "token_uri": f"{os.environ['VERTEX_BASE_URL']}/token",
    }
    file = tmp_path_factory.mktemp("account") / "key.json"
    file.write_text(json.dumps(told))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    return key.decode()


Opened = Callable[..., Any]


@pytest.fixture
def opened(tmp_path: Path, server: State) -> Iterator[Opened]:
    sessions = []

    def opens(model: str = "m", file: str = "cell.jsonl", most_usd: float = CAP_USD) -> Any:
        from harness_vertex.backend import load

        rates = {sort: usd for (name, sort), usd in RATES.items() if name == model} or {"embedding tokens": 1.0}
        purse = Purse(tmp_path / file, rates, most_usd)
        session = load().open(describe(model), kind="choice", labels=(), seed=0, purse=purse)
        sessions.append(session)
        return session

    yield opens
    for session in sessions:
        session.close()


def ledger(tmp_path: Path, file: str = "cell.jsonl") -> Any:
    return read_ledger(tmp_path / file)


def trained(session: Any, recipe: HostedRecipe | None = None, count: int = 12) -> Any:
    while isinstance(
        found := session.tune(material(count), material(3), recipe or HostedRecipe(None, None, None, 0), print), Pending
    ):
        time.sleep(0.01)
    return found


# -- what is known without asking --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("europe-west4", "https://europe-west4-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
def test_the_endpoint_is_the_locations_own(monkeypatch: pytest.MonkeyPatch, location: str, url: str) -> None:
    monkeypatch.delenv("VERTEX_BASE_URL", raising=False)
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", location)
    assert endpoint().url == url
    assert storage().url == "https://storage.googleapis.com"


@pytest.mark.parametrize("location", ["evil.example/", "x@evil", "EU", "a b"])
def test_what_is_no_location_becomes_no_host(monkeypatch: pytest.MonkeyPatch, location: str) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_LOCATION", location)
    with pytest.raises(UsageError, match="must be a location"):
        endpoint()


@pytest.mark.parametrize("model", ["a/../b", "m?x=1", "m&x", "", " ", "m\n"])
def test_what_is_no_model_is_refused_before_it_is_a_path(server: State, model: str) -> None:
    with pytest.raises(ModelError):
        describe(model)


@pytest.mark.parametrize(
    "model", ["gemini-2.5-flash", "publishers/meta/models/llama-4@001", "projects/p/locations/l/endpoints/1"]
)
def test_names_of_models_and_endpoints_are_known(server: State, model: str) -> None:
    assert describe(model).id == model


def test_without_credentials_it_says_so(server: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from harness_vertex.access import access

    monkeypatch.delenv("VERTEX_BASE_URL")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(UsageError, match="no credentials of Google's"):
        access(endpoint())


def test_a_stand_in_is_sent_the_training_questions_too(server: State) -> None:
    assert storage().url == endpoint().url


def test_what_is_missing_is_told(server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    card = describe("m")
    assert unready(endpoint()) is None
    assert "tune:hosted:choice" in offers(card)
    monkeypatch.delenv("VERTEX_BUCKET")
    assert "tune:hosted:choice" not in offers(card)
    assert "VERTEX_BUCKET names no bucket" in why_not(card, "tune:hosted:choice")
    assert "not trained further" in why_not(describe("projects/1/locations/l/endpoints/2"), "tune:hosted:choice")
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    assert unready(endpoint()) == "GOOGLE_CLOUD_PROJECT not set"


def test_an_end_that_is_dated_is_told_of_googles_own(server: State, monkeypatch: pytest.MonkeyPatch) -> None:
    card = describe("gemini-2.5-flash")
    assert notices(card, endpoint(), False, date(2026, 11, 26)) == []
    monkeypatch.delenv("VERTEX_BASE_URL")
    (told,) = notices(card, endpoint(), False, date(2026, 11, 26))
    assert told.told == "gemini-2.5-flash ends on 2026-10-20, which has passed"
    assert notices(describe("gemini-2.5-flash-lite"), endpoint(), False, date(2026, 11, 26)) == []


def test_where_training_questions_stay_is_told_before(server: State) -> None:
    (told,) = notices(describe("m"), endpoint(), True, date(2026, 11, 26))
    assert told.told == "training questions are written to the bucket gs://bucket-1 and stay there"
    assert told.ends is None


# -- answers -----------------------------------------------------------------------------------------------


def test_probabilities_are_those_that_the_service_tells(opened: Opened) -> None:
    session = opened()
    (row,) = session.answer(questions(1)).scores
    assert np.exp(row.astype(float)).sum() == pytest.approx(1, abs=1e-4)
    assert "not_probabilities" not in session.told()


@pytest.mark.parametrize("supports", [set(), {"schema"}, {"logprobs"}, {"schema", "thinking"}, {"temperature"}])
def test_a_model_that_knows_less_answers_the_same(server: State, opened: Opened, supports: set[str]) -> None:
    whole = [int(row.argmax()) for row in opened(file="whole.jsonl").answer(questions(6)).scores]
    server.supports = frozenset(supports)
    session = opened()
    answers = session.answer(questions(6))
    assert answers.chosen == whole
    told = session.told()
    assert ("not_probabilities" in told) == ("logprobs" not in supports)
    assert told["service"]["notes"] == []


def test_many_choices_are_numbered(opened: Opened) -> None:
    labels = tuple(f"label {number}" for number in range(40))
    assert opened().answer([Question("q", (Text("which?"),), labels)]).scores[0].shape == (40,)


def test_what_a_model_thinks_is_paid_for(server: State, opened: Opened, tmp_path: Path) -> None:
    """It is asked not to; one that cannot help it is given more room, and all its tokens are charged."""
    server.thoughts = 100
    opened(file="kept.jsonl").answer(questions(3))
    assert server.calls.total() == 3
    server.supports = frozenset({"schema", "logprobs", "temperature"})
    before = server.usd(RATES)
    session = opened()
    session.answer(questions(3))
    found = ledger(tmp_path)
    assert found.billed["output tokens"] > 3 * (64 + 100)
    assert found.known_usd == pytest.approx(server.usd(RATES) - before)
    assert session.told()["service"]["notes"] == []


def test_the_sdk_sends_nothing_more_by_itself(server: State, opened: Opened) -> None:
    """It would follow up an answer that says that there is more, and each time is paid for."""
    server.continues = True
    opened().answer(questions(2))
    assert server.calls.total() == 2


def test_without_figures_the_most_is_charged(server: State, opened: Opened, tmp_path: Path) -> None:
    server.tells_usage = False
    session = opened()
    session.answer(questions(2))
    assert ledger(tmp_path).known_usd > server.usd(RATES)
    (note,) = session.told()["service"]["notes"]
    assert note.startswith("2 calls were charged at the most that they may cost")


def test_a_withheld_answer_is_chance_and_told(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.support.vertex_server import Api

    def withheld(self: Api, model: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}

    monkeypatch.setattr(Api, "generate", withheld)
    session = opened()
    session.answer(questions(4))
    assert session.told()["service"]["notes"] == ["4 of 4 answers could not be read: chosen by chance"]


def test_json_that_is_no_reply_is_no_answer(opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from tests.support.vertex_server import Api

    monkeypatch.setattr(Api, "generate", lambda self, model, body: {"text": "A"})
    with pytest.raises(HarnessError, match="neither a reply nor why"):
        opened().answer(questions(1))
    assert not ledger(tmp_path).answers


def test_order_and_company_change_nothing_and_cost_nothing_again(server: State, opened: Opened) -> None:
    session, asked = opened(), questions(12)
    together = session.answer(asked).scores
    backwards = session.answer(asked[::-1]).scores[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(together, backwards, strict=True))
    assert server.calls.total() == 12


def test_usage_is_the_services_own(server: State, opened: Opened) -> None:
    session = opened()
    session.answer(questions(7))
    assert session.usage().billed == {sort: server.tokens["m", sort] for sort in ("input tokens", "output tokens")}


@pytest.mark.parametrize(("model", "requests"), [("m-embed", 3), ("gemini-embedding-x", 40)])
def test_vectors_are_asked_for_as_the_model_can(server: State, opened: Opened, model: str, requests: int) -> None:
    session = opened(model)
    texts = [f"text {number} of {'many ' * (number % 3)}words" for number in range(40)]
    together = session.embed(texts)
    assert together.shape == (40, 48)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.array_equal(session.embed(texts[::-1])[::-1], together)
    assert server.calls.total() == requests
    assert session.usage().billed == {"embedding tokens": server.tokens[model, "embedding tokens"]}


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


def test_googles_word_for_retry_after_is_waited_for(server: State, opened: Opened) -> None:
    faults = ["429-after"] * 3
    server.faults = lambda method, path: faults.pop() if faults else None
    began = time.monotonic()
    opened().answer(questions(1))
    assert time.monotonic() - began >= 3 * 0.05
    assert len(server.requests) == 4


def test_a_quota_of_the_day_is_no_rate_limit(server: State, opened: Opened) -> None:
    from harness.remote.paying import CONCURRENCY

    server.faults = lambda method, path: "quota"
    with pytest.raises(HarnessError, match="the project's quota is used up"):
        opened().answer(questions(60))
    assert len(server.requests) <= CONCURRENCY, "no loop"


def test_it_follows_no_redirect(server: State, opened: Opened) -> None:
    server.faults = lambda method, path: "redirect"
    with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
        opened().answer(questions(1))
    assert len(server.requests) == 1


def test_a_cap_stops_before_the_call_that_could_pass_it(server: State, opened: Opened) -> None:
    with pytest.raises(CapReached, match="--max-cost"):
        opened(most_usd=0.002).answer(questions(60))
    assert 0 < server.usd(RATES) <= 0.002


# -- credentials -------------------------------------------------------------------------------------------


def test_credentials_come_from_where_google_looks_for_them(account: str, server: State, opened: Opened) -> None:
    session = opened()
    session.answer(questions(2))
    trained(session)
    assert ("POST", "/token") in server.requests


def test_refused_credentials_are_told_and_nothing_is_sent(account: str, server: State, opened: Opened) -> None:
    server.token = ""
    with pytest.raises(HarnessError, match="Google's credentials"):
        opened().answer(questions(1))
    assert {path for _, path in server.requests} == {"/token"}


def test_a_token_that_the_service_tells_back_is_not_told(
    account: str, server: State, opened: Opened, tmp_path: Path
) -> None:
    server.key = "another"
    with pytest.raises(HarnessError, match=r"401 .*\[access token\]") as refused:
        opened().answer(questions(1))
    assert CANARY not in str(refused.value)
    assert CANARY.encode() not in (tmp_path / "cell.jsonl").read_bytes()


# -- training ----------------------------------------------------------------------------------------------


def test_training_is_charged_for_every_epoch(server: State, opened: Opened, tmp_path: Path) -> None:
    session = opened()
    trained(session, HostedRecipe(2, None, 0.5, 0))
    (job,) = server.jobs.values()
    assert job["supervisedTuningSpec"]["hyperParameters"] == {"epochCount": "2", "learningRateMultiplier": 0.5}
    assert job["supervisedTuningSpec"]["exportLastCheckpointOnly"]
    assert job["labels"]["harness"] == job["tunedModelDisplayName"]
    assert ledger(tmp_path).billed["training tokens"] == server.tokens["m", "training tokens"] > 0
    assert session.told()["service"]["model"] == job["tunedModel"]["endpoint"]
    assert session.answer(questions(4)).chosen == [0, 1, 2, 3]


def test_equal_files_are_written_once(server: State, opened: Opened) -> None:
    trained(opened())
    assert server.written == 2
    trained(opened(file="another.jsonl"))
    assert server.written == 2
    assert len(server.jobs) == 2


def test_what_vertex_does_not_take_is_refused_before_it_is_sent(server: State, opened: Opened) -> None:
    with pytest.raises(HarnessError, match="batch_size"):
        opened().tune(material(), [], HostedRecipe(None, 4, None, 0), print)
    assert not server.requests


class TestBucket:
    @pytest.fixture
    def bucket(self, server: State) -> Any:
        from harness_vertex.access import access
        from harness_vertex.client import synchronous
        from harness_vertex.storage import bucket

        return bucket(storage(), synchronous(), access(storage()))

    def test_one_that_wrote_first_is_believed_only_for_the_same_bytes(self, bucket: Any, server: State) -> None:
        """Between the look and the write another process may have been there."""
        seen = iter((True, False))
        real = bucket._look
        bucket._look = lambda name: None if next(seen, False) else real(name)
        server.objects["bucket-1/x.jsonl"] = b"1"
        assert bucket.put("x.jsonl", b"1") == "gs://bucket-1/x.jsonl"
        with pytest.raises(Refused, match="holds other bytes"):
            bucket.put("x.jsonl", b"2")
        assert server.objects["bucket-1/x.jsonl"] == b"1"

    @pytest.mark.parametrize(("fault", "error"), [("500", Doubtful), ("429", Refused), ("drop-after", Doubtful)])
    def test_faults_are_told_apart(self, bucket: Any, server: State, fault: str, error: type[Exception]) -> None:
        server.faults = lambda method, path: fault
        with pytest.raises(error):
            bucket.put("x.jsonl", b"1")

    def test_what_is_no_bucket_is_refused(self, server: State, monkeypatch: pytest.MonkeyPatch) -> None:
        from harness_vertex.jobs import jobs

        monkeypatch.setenv("VERTEX_BUCKET", "gs://bucket/../x")
        assert jobs().labelled("harness-") == []
        with pytest.raises(UsageError, match="without gs://"):
            jobs().upload("x.jsonl", b"1")


# -- whole runs --------------------------------------------------------------------------------------------

Ran = Callable[..., dict[str, Any]]


@pytest.fixture
def ran(server: State, tiny: Path, tmp_path: Path) -> Ran:
    """Runs the tiny task; returns the report."""

    def run(**changes: Any) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "strategies": ["base", "rag:retriever=bm25"],
            "backends": ["vertex"],
            "models": ["vertex:m"],
            "prices": price_list(tmp_path),
            "allow_spend": True,
            "max_cost_usd": CAP_USD,
            "store": tmp_path / "store",
        }
        return dict(harness.run(tiny, **{**asked, **changes}).report)

    return run


def test_a_run_is_one_table_with_money_and_says_that_it_is_emulated(ran: Ran, server: State, tmp_path: Path) -> None:
    arms = ["base", "rag:retriever=bm25", "hosted", "hosted+rag:retriever=bm25:k=1:reading=1", "probe"]
    report = ran(strategies=arms, models=["vertex:m", "vertex:m-embed"])
    rows = {row["arm"]: row for row in report["table"]}
    assert set(rows) == {
        "base@vertex:m",
        "rag:retriever=bm25@vertex:m",
        "hosted@vertex:m",
        "hosted+rag:k=1:reading=1.0:retriever=bm25@vertex:m",
        "probe@vertex:m-embed",
    }
    for row in rows.values():
        assert any(note.startswith("emulated: answered by a stand-in at http://127.0.0.1") for note in row["notes"])
        assert row["measurements"]["accuracy"]["basis"] == "emulated"
        assert row["measurements"]["usd_per_1k"]["value"] > 0
    hosted = rows["hosted@vertex:m"]["measurements"]
    assert hosted["accuracy"]["value"] == 100.0 > rows["base@vertex:m"]["measurements"]["accuracy"]["value"]
    assert hosted["train_usd"]["value"] > 0
    spent = sum(read_ledger(file).known_usd for file in (tmp_path / "store" / "paid").glob("*.jsonl"))
    assert spent == pytest.approx(server.usd(RATES), abs=1e-12)


def test_a_hosted_job_outlives_the_command(ran: Ran, server: State, tiny: Path, tmp_path: Path) -> None:
    server.polls = 10**6
    program = [sys.executable, "-m", "harness", "run", "--task", str(tiny), "--strategy", "hosted"]
    program += ["--backend", "vertex", "--model", "vertex:m", "--prices", str(price_list(tmp_path))]
    program += ["--allow-spend", "--max-cost", "5", "--store", str(tmp_path / "store")]
    # A shell that starts the tests in the background has its children ignore SIGINT.
    unignored = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(program, stderr=subprocess.PIPE, text=True, preexec_fn=unignored)
    while not server.looks:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "at the service go on: harness-" in told
    server.polls = 0
    report = ran(strategies=["hosted"])
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    assert len(server.jobs) == 1


@pytest.mark.parametrize(
    ("fate", "told"),
    [("failed-empty", "tells no reason"), ("no-model", "names no model"), ("expired", "expired: bad rows")],
)
def test_a_failed_job_is_a_failed_cell_and_is_not_ordered_again(
    server: State, opened: Opened, fate: str, told: str
) -> None:
    server.fate = lambda job: fate
    for _ in range(2):
        with pytest.raises(HarnessError, match=told):
            trained(opened())
    assert len(server.jobs) == 1


def test_a_state_that_nobody_knows_is_waited_for(server: State, opened: Opened) -> None:
    server.fate = lambda job: "strange"
    server.polls = 1
    session = opened()
    recipe = HostedRecipe(None, None, None, 0)
    session.tune(material(), [], recipe, print)
    found = session.tune(material(), [], recipe, print)
    assert isinstance(found, Pending)
    assert found.handle.endswith(": updating")


@pytest.mark.slow
def test_no_byte_that_is_kept_or_shown_holds_the_token_or_the_key(
    account: str,
    ran: Ran,
    server: State,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The service telling the token back, answers and training failing in every way."""
    server.echoes_key = True
    faults = ["500", "429-after", "drop-after", "truncated"] * 2
    server.faults = lambda method, path: faults.pop() if faults and path.endswith("Content") else None
    private = account.splitlines()[3]
    for fatal in ("quota", "redirect", None):
        report = ran(strategies=["base", "rag:retriever=bm25", "hosted"], keep="all")
        assert CANARY not in str(report)
        server.faults = lambda method, path, fatal=fatal: None if path == "/token" else fatal  # type: ignore[misc]
    assert any(b"[access token]" in file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file())
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(kept) > 10
    bad = [file for file in kept if CANARY.encode() in (found := file.read_bytes()) or private.encode() in found]
    assert bad == []
    out, error = capfd.readouterr()
    assert CANARY not in out + error
    assert private not in out + error


def test_orphans_are_what_no_cell_claims(server: State, tmp_path: Path) -> None:
    from harness.orphans import cancel, labelled
    from tests.support.vertex_server import Api

    server.polls = 10**6
    api, parent = Api(server), "projects/project-1/locations/europe-west4"
    server.objects["bucket-1/x.jsonl"] = b"{}\n"
    spec = {"baseModel": "m", "supervisedTuningSpec": {"trainingDatasetUri": "gs://bucket-1/x.jsonl"}}
    stranger = api.create_job(parent, {**spec, "labels": {"harness": "harness-of-another-store"}})
    for _ in range(4):
        api.create_job(parent, spec)
    registry, store = load_registry(), tmp_path / "store"
    (row,) = labelled(registry, store)
    assert (row["backend"], row["job"], row["cell"], row["state"]) == ("vertex", stranger["name"], None, "queued")
    assert cancel(registry, row["label"], store).told == "cancelled"
    assert labelled(registry, store) == []


@pytest.mark.slow
def test_random_lifecycles_pay_for_nothing_twice(tmp_path: Path) -> None:
    found = many(tmp_path, 20, seed=1, service=VERTEX)
    assert [number for number, ended in enumerate(found) if not ended.sound] == []
    assert {ended.outcome for ended in found} == {"done", "failed"}
    assert sum(ended.kills for ended in found) > 3


class TestVertex(BackendKit):
    """What every backend must do; it tunes in none of the ways that the kit knows."""

    spec: ClassVar[BackendSpec] = next(iter(harness_backends()))
    seeded = False

    @pytest.fixture(autouse=True)
    def _served(self, server: State, tmp_path: Path) -> None:
        type(self).run_options = {"prices": price_list(tmp_path), "allow_spend": True, "max_cost_usd": CAP_USD}

    @pytest.fixture(params=["m", "m-embed"])
    def model(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


def test_the_plugin_and_what_it_knows_without_asking_import_no_sdk() -> None:
    look = (
        "import sys, harness_vertex; from harness_vertex import capabilities, dates; "
        "list(harness_vertex.harness_backends()); capabilities.offers(capabilities.describe('m')); "
        "print([name for name in sys.modules if name.startswith(('google.genai', 'google.auth', 'httpx2'))])"
    )
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"
