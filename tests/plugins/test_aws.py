"""What is peculiar to backend `aws`: who asks and where, what is thought, its bucket, what it deploys."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.errors import HarnessError, UsageError
from harness.orphans import cancel, labelled
from harness.plugin import Kind
from harness.registry import load_registry
from harness.remote.faults import Doubtful
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.paying import CONCURRENCY
from harness.remote.purse import Purse, read_ledger
from harness_aws.capabilities import describe, offers, why_not
from tests.plugins.conftest import Opened, Runs, look, trained
from tests.support.aws_server import AwsState, Bedrock
from tests.support.served_aws import MODEL, ROLE
from tests.support.services import AWS, Service, material, questions
from tests.support.standin import Refusal

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

COHERE = "us.cohere.embed-v4:0"


@pytest.fixture(scope="module")
def service() -> Service:
    return AWS


# -- answers -----------------------------------------------------------------------------------------------


def test_what_a_model_thinks_is_no_answer(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Bedrock.converse

    def thinks(self: Bedrock, model: str, body: dict[str, Any]) -> dict[str, Any]:
        found = real(self, model, body)
        thought = {"reasoningContent": {"reasoningText": {"text": 'It is {"answer": "Z"}, or D) is it?'}}}
        content = [thought] if body["inferenceConfig"]["maxTokens"] < 100 else [thought, {"text": "B)"}]
        found["output"]["message"]["content"] = content
        return {**found, "stopReason": "max_tokens" if len(content) == 1 else "end_turn"}

    monkeypatch.setattr(Bedrock, "converse", thinks)
    assert opened().answer(questions(3)).chosen == [1, 1, 1]


def test_tokens_of_a_cache_are_charged_as_if_there_were_none() -> None:
    from harness_aws.chat import _charged

    used = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 107, "cacheReadInputTokens": 100}
    assert _charged(used) == {"input tokens": 105, "output tokens": 2}


def test_a_text_too_long_for_cohere_is_cut(opened: Opened) -> None:
    """The stand-in refuses longer ones, as the service does."""
    assert opened(COHERE).embed(["word " * 1000]).shape == (1, 48)


# -- faults ------------------------------------------------------------------------------------------------


def test_the_sdk_asks_once_even_where_the_environment_wants_more(
    server: AwsState, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every request must pass the purse."""
    import harness.remote.asking

    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "5")
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    real = harness.remote.asking.paid

    async def once(purse: Purse, key: str, most: Any, send: Any) -> Any:
        return await real(purse, key, most, send, 1)

    monkeypatch.setattr(harness.remote.asking, "paid", once)
    for fault in ("500", "429", "drop-after"):
        server.faults, server.requests[:] = lambda method, path, fault=fault: fault, []
        with pytest.raises(HarnessError):
            opened(file=f"{fault}.jsonl").answer(questions(1))
        assert len(server.requests) == 1, fault


@pytest.mark.parametrize("fault", ["quota", "daily"])
def test_a_used_up_quota_is_no_rate_limit(server: AwsState, opened: Opened, fault: str) -> None:
    server.faults = lambda method, path: fault
    with pytest.raises(HarnessError, match="quota is used up"):
        opened().answer(questions(60))
    assert len(server.requests) <= CONCURRENCY, "no loop"


def test_it_follows_no_bucket_to_another_region(server: AwsState, opened: Opened) -> None:
    server.moved = "eu-central-1"
    with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
        look(opened())
    assert {method for method, _ in server.requests} == {"PUT"}


def test_a_server_that_is_not_there_is_no_doubt(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(HarnessError, match="EndpointConnectionError"):
        opened().answer(questions(1))
    assert read_ledger(tmp_path / "cell.jsonl").doubt_usd == 0


def test_without_credentials_nothing_is_sent(
    server: AwsState, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(HarnessError, match="NoCredentialsError"):
        opened().answer(questions(1))
    assert server.requests == []
    assert read_ledger(tmp_path / "cell.jsonl").doubt_usd == 0


def test_one_question_too_long_is_chance_and_the_others_are_answered(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Bedrock.converse

    def refuses(self: Bedrock, model: str, body: dict[str, Any]) -> dict[str, Any]:
        if "wording 2" in str(body):
            raise Refusal(400, "Input is too long for requested model.", "ValidationException")
        return real(self, model, body)

    monkeypatch.setattr(Bedrock, "converse", refuses)
    session = opened()
    session.answer(questions(4))
    assert session.told()["service"]["notes"] == ["1 of 4 answers could not be read: chosen by chance"]


# -- training ----------------------------------------------------------------------------------------------


def test_a_job_is_ordered_with_our_label_everywhere(server: AwsState, opened: Opened) -> None:
    session = opened()
    look(session, HostedRecipe(2, None, None, 0))
    (job,) = server.jobs.values()
    label = job["jobName"]
    assert label.startswith("harness-cell-")
    assert job["clientRequestToken"] == job["outputModelName"] == label
    assert job["jobTags"] == [{"key": "harness", "value": label}]
    assert job["hyperParameters"] == {"epochCount": "2"}
    assert job["roleArn"] == ROLE
    assert session._jobs.labelled("harness-")[0].id == label
    (content,) = server.objects.values()
    assert content.count(b"\n") == len(material())


def test_bytes_that_s3_lost_are_seen(server: AwsState, opened: Opened) -> None:
    server.rots = True
    with pytest.raises(HarnessError, match="holds other bytes than its name says"):
        trained(opened)
    assert server.jobs == {}


def test_files_are_sent_once_and_never_written_over(server: AwsState, opened: Opened) -> None:
    for file in ("one.jsonl", "two.jsonl"):
        look(opened(file=file))
    assert len(server.objects) == 1
    assert len(server.jobs) == 2, "of two cells"


def test_lists_are_read_to_their_end(server: AwsState, opened: Opened) -> None:
    for number in range(5):
        look(opened(file=f"cell{number}.jsonl"))
    server.page = 2
    session = opened(file="cell9.jsonl")
    assert len(session._training.jobs().labelled("harness-")) == 5


def test_a_job_whose_answer_was_lost_is_looked_for_until_it_is_listed(server: AwsState, opened: Opened) -> None:
    faults, jobs = ["drop-after"], ("POST", "/model-customization-jobs")
    server.hidden_lists = 2
    server.faults = lambda method, path: faults.pop() if faults and (method, path) == jobs else None
    session = opened()
    found = look(session)
    assert isinstance(found, Pending)
    assert found.handle.startswith("looking for a job labelled harness-cell-")
    for _ in range(3):
        found = look(session)
    assert found.handle.startswith("job harness-cell-")
    assert len(server.jobs) == server.requests.count(jobs) == 1


def test_a_list_cut_short_is_no_empty_list(server: AwsState, opened: Opened) -> None:
    """Else a job that is there would be taken for none, and a person told so."""
    session = opened()
    look(session)
    server.faults = lambda method, path: "truncated"
    with pytest.raises(Doubtful):
        session._jobs.labelled("harness-")


def test_a_multiple_of_the_learning_rate_is_for_the_family_that_takes_it(server: AwsState, opened: Opened) -> None:
    with pytest.raises(HarnessError, match="takes no multiple of its own learning rate"):
        look(opened(), HostedRecipe(1, None, 0.5, 0))
    assert server.requests == []


def test_each_family_is_shown_questions_in_its_own_form() -> None:
    from harness_aws.training import lines

    def first(model: str) -> dict[str, Any]:
        return dict(json.loads(lines(model, material(1))))

    nova = first("us.amazon.nova-lite-v1:0")
    assert nova["schemaVersion"] == "bedrock-conversation-2024"
    assert nova["messages"][1]["content"][0]["text"] == '{"answer": "A"}'
    claude = first("anthropic.claude-3-haiku-20240307-v1:0:200k")
    assert claude["messages"][1] == {"role": "assistant", "content": '{"answer": "A"}'}
    assert set(first("meta.llama3-1-8b-instruct-v1:0:128k")) == {"prompt", "completion"}


# -- whole runs --------------------------------------------------------------------------------------------


def test_without_a_bucket_training_is_skipped_with_the_reason(ran: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_HARNESS_BUCKET")
    report = ran(strategies=["base", "hosted"])
    reasons = {cell["arm"].split("@")[0]: cell["reason"] for cell in report["cells"] if cell["status"] == "skipped"}
    assert "AWS_HARNESS_BUCKET must name the bucket" in reasons["hosted"]


def test_orphans_are_what_no_cell_claims(ran: Runs, server: AwsState, opened: Opened, tmp_path: Path) -> None:
    """A training under way and a deployment that goes on costing, both of a store that is not this one."""
    trained(opened, file="elsewhere.jsonl")
    server.polls = 10**6
    look(opened(file="others.jsonl"))
    registry, store = load_registry(), ran.store
    rows = {row["what"]: row for row in labelled(registry, store) if row["label"]}
    assert set(rows) == {"training", "deployment"}
    assert all(row["left"] and row["cell"] is None for row in rows.values())
    for row in rows.values():
        cancel(registry, row["label"], store)
    assert server.deployments == {}
    assert {job["status"] for job in server.jobs.values()} == {"Completed", "Stopped"}
    (row,) = labelled(registry, store)
    assert (row["backend"], row["label"], row["left"]) == ("sagemaker", None, False)
    assert row["state"].startswith("cannot be listed: "), "the stand-in has no such service"
    with pytest.raises(UsageError, match=r"unknown training, machine or deployment 'x'.*sagemaker cannot be listed"):
        cancel(registry, "x", store)


# -- where, and what for -----------------------------------------------------------------------------------


def test_places_are_the_regions_own_or_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness_aws.places import endpoint, place

    for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match="AWS_REGION is not set"):
        endpoint()
    monkeypatch.setenv("AWS_REGION", "evil.example/")
    with pytest.raises(UsageError, match="names no region"):
        endpoint()
    monkeypatch.setenv("AWS_REGION", "us-gov-west-1")
    assert endpoint().url == "https://bedrock-runtime.us-gov-west-1.amazonaws.com"
    monkeypatch.setenv("AWS_REGION", "cn-north-1")
    assert place("s3").url == "https://s3.cn-north-1.amazonaws.com.cn"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:5001")
    with pytest.raises(UsageError, match="s3 would be on this machine and the other services elsewhere"):
        endpoint()
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://storage.example")
    with pytest.raises(UsageError, match="must be reached by https"):
        endpoint()


def test_training_is_offered_where_a_bucket_and_a_role_are_named(
    server: AwsState, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = describe(MODEL)
    assert "tune:hosted:choice" in offers(card)
    monkeypatch.delenv("AWS_HARNESS_ROLE_ARN")
    assert offers(card) == {f"{verb}:{kind}" for verb in ("answer", "read") for kind in Kind}
    assert why_not(card, "tune:hosted:choice").startswith("AWS_HARNESS_ROLE_ARN must name the role")
    monkeypatch.setenv("AWS_HARNESS_BUCKET", "Not A Bucket")
    assert why_not(card, "tune:hosted:choice").startswith("AWS_HARNESS_BUCKET must name the bucket")
    odd = describe("amazon.nova-2-multimodal-embeddings-v1:0")
    assert offers(odd) == set()
    assert "Titan's and Cohere's" in why_not(odd, "embed")
