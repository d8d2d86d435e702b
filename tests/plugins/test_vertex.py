"""What is peculiar to backend `vertex`: where it is, who asks, what is thought, and the bucket of its trainings."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, ModelError, UsageError
from harness.orphans import labelled
from harness.registry import load_registry
from harness.remote.faults import Doubtful, Refused
from harness.remote.orders import HostedRecipe
from harness.remote.purse import read_ledger
from harness_vertex.capabilities import describe, endpoint, offers, storage, unready, why_not
from harness_vertex.dates import notices
from tests.plugins.conftest import Opened, Runs, look, trained
from tests.support import google_account
from tests.support.services import CANARY, VERTEX, Service, questions
from tests.support.vertex_server import Api, State

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]


@pytest.fixture(scope="module")
def service() -> Service:
    return VERTEX


@pytest.fixture
def account(server: State, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A service account whose tokens the stand-in gives out, and asks for."""
    folder = tmp_path_factory.mktemp("account")
    surroundings, _ = google_account.made(server, folder, endpoint().url, f"ya29.{CANARY}")
    for name, value in surroundings.items():
        monkeypatch.setenv(name, value)


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


def test_what_a_model_thinks_is_paid_for(server: State, opened: Opened, tmp_path: Path) -> None:
    """It is asked not to; one that cannot help it is given more room, and all its tokens are charged."""
    server.thoughts = 100
    opened(file="kept.jsonl").answer(questions(3))
    assert server.calls.total() == 3
    server.supports = frozenset({"schema", "logprobs", "temperature"})
    before = VERTEX.owes(server)
    session = opened()
    session.answer(questions(3))
    found = read_ledger(tmp_path / "cell.jsonl")
    assert found.billed["output tokens"] > 3 * (64 + 100)
    assert found.known_usd == pytest.approx(VERTEX.owes(server) - before)
    assert session.told()["service"]["notes"] == []


def test_the_sdk_sends_nothing_more_by_itself(server: State, opened: Opened) -> None:
    """It would follow up an answer that says that there is more, and each time is paid for."""
    server.continues = True
    opened().answer(questions(2))
    assert server.calls.total() == 2


def test_a_withheld_answer_is_chance_and_told(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def withheld(self: Api, model: str, body: dict[str, Any]) -> dict[str, Any]:
        return {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}

    monkeypatch.setattr(Api, "generate", withheld)
    session = opened()
    session.answer(questions(4))
    assert session.told()["service"]["notes"] == ["4 of 4 answers could not be read: chosen by chance"]


def test_json_that_is_no_reply_is_no_answer(opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Api, "generate", lambda self, model, body: {"text": "A"})
    with pytest.raises(HarnessError, match="neither a reply nor why"):
        opened().answer(questions(1))
    assert not read_ledger(tmp_path / "cell.jsonl").answers


# -- credentials -------------------------------------------------------------------------------------------


def test_credentials_come_from_where_google_looks_for_them(account: None, server: State, opened: Opened) -> None:
    opened(file="asks.jsonl").answer(questions(2))
    trained(opened)
    assert ("POST", "/token") in server.requests


def test_refused_credentials_are_told_and_nothing_is_sent(account: None, server: State, opened: Opened) -> None:
    server.token = ""
    with pytest.raises(HarnessError, match="Google's credentials"):
        opened().answer(questions(1))
    assert {path for _, path in server.requests} == {"/token"}


def test_a_token_that_the_service_tells_back_is_not_told(
    account: None, server: State, opened: Opened, tmp_path: Path
) -> None:
    server.key = "another"
    with pytest.raises(HarnessError, match=r"401 .*\[access token\]") as refused:
        opened().answer(questions(1))
    assert CANARY not in str(refused.value)
    assert CANARY.encode() not in (tmp_path / "cell.jsonl").read_bytes()


# -- training ----------------------------------------------------------------------------------------------


def test_training_is_charged_for_every_epoch(server: State, opened: Opened, tmp_path: Path) -> None:
    session = trained(opened, recipe=HostedRecipe(2, None, 0.5, 0))
    (job,) = server.jobs.values()
    assert job["supervisedTuningSpec"]["hyperParameters"] == {"epochCount": "2", "learningRateMultiplier": 0.5}
    assert job["supervisedTuningSpec"]["exportLastCheckpointOnly"]
    assert job["labels"]["harness"] == job["tunedModelDisplayName"]
    assert read_ledger(tmp_path / "cell.jsonl").billed["training tokens"] == server.tokens["m", "training tokens"] > 0
    assert session.told()["service"]["model"] == job["tunedModel"]["endpoint"]
    assert session.answer(questions(4)).chosen == [0, 1, 2, 3]


def test_equal_files_are_written_once(server: State, opened: Opened) -> None:
    trained(opened)
    assert server.written == 2
    trained(opened, file="another.jsonl")
    assert server.written == 2
    assert len(server.jobs) == 2


def test_what_vertex_does_not_take_is_refused_before_it_is_sent(server: State, opened: Opened) -> None:
    with pytest.raises(HarnessError, match="batch_size"):
        look(opened(), HostedRecipe(None, 4, None, 0))
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


# -- lists ------------------------------------------------------------------------------------------------


def test_jobs_are_listed_to_the_end_and_those_without_our_label_are_nobodys(server: State, ran: Runs) -> None:
    api, parent = Api(server), "projects/project-1/locations/europe-west4"
    server.objects["bucket-1/x.jsonl"] = b"{}\n"
    spec = {"baseModel": "m", "supervisedTuningSpec": {"trainingDatasetUri": "gs://bucket-1/x.jsonl"}}
    stranger = api.create_job(parent, {**spec, "labels": {"harness": "harness-of-another-store"}})
    for _ in range(4):
        api.create_job(parent, spec)
    (row,) = labelled(load_registry(), ran.store)
    assert (row["backend"], row["job"], row["cell"], row["state"]) == ("vertex", stranger["name"], None, "queued")
