"""Backend `aws` against a stand-in on loopback: what it asks, what it pays, and what it makes of faults."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import harness
from harness.errors import HarnessError, UsageError
from harness.plugin import BackendSpec, Kind
from harness.registry import load_registry
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.purse import CapReached, Purse, read_ledger
from harness.testing import BackendKit
from harness_aws import harness_backends
from harness_aws.capabilities import describe, offers, why_not
from tests.support.aws_server import AwsState, Bedrock, serving
from tests.support.served import AWS, CAP_USD, TUNED, many, material, questions
from tests.support.served_aws import KEY, MODEL, RATES, ROLE, environment, price_list

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

CANARY, TOKEN = "canary-secret-5b1f0e", "canary-token-77aa01"
TITAN, COHERE = "amazon.titan-embed-text-v2:0", "us.cohere.embed-v4:0"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AwsState]:
    with serving(AwsState(key=KEY)) as (url, state):
        for name, value in environment(url, CANARY).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
        yield state


Opened = Callable[..., Any]


def session_of(file: Path, model: str = MODEL, most_usd: float = CAP_USD, *, trains: bool = False) -> tuple[Any, Purse]:
    from harness_aws.backend import load

    rates = TUNED if trains else {sort: usd for (name, sort), usd in RATES.items() if name == model}
    purse = Purse(file, rates, most_usd)
    return load().open(describe(model), kind=Kind.CHOICE, labels=(), seed=0, purse=purse), purse


@pytest.fixture
def opened(tmp_path: Path, server: AwsState) -> Iterator[Opened]:
    sessions = []

    def opens(model: str = MODEL, file: str = "cell.jsonl", **more: Any) -> Any:
        session, _ = session_of(tmp_path / file, model, **more)
        sessions.append(session)
        return session

    yield opens
    for session in sessions:
        session.close()


def ledger(tmp_path: Path, file: str = "cell.jsonl") -> Any:
    return read_ledger(tmp_path / file)


# -- answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("supports", [set(), {"tool"}, {"temperature"}])
def test_a_model_that_understands_less_answers_the_same(server: AwsState, opened: Opened, supports: set[str]) -> None:
    whole = opened(file="whole.jsonl").answer(questions(6)).chosen
    server.supports = frozenset(supports)
    session = opened()
    assert session.answer(questions(6)).chosen == whole
    assert len(set(whole)) > 1
    told = session.told()
    assert told["service"]["notes"] == []
    assert "not_probabilities" in told, "Bedrock tells none"


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


def test_usage_is_the_services_own_and_is_paid_once(server: AwsState, opened: Opened, tmp_path: Path) -> None:
    session, asked = opened(), questions(12)
    together = session.answer(asked).scores
    used = session.usage()
    assert used.billed == {sort: server.tokens[MODEL, sort] for sort in ("input tokens", "output tokens")}
    session.forget()
    backwards = session.answer(asked[::-1]).scores[::-1]
    assert all(np.array_equal(a, b) for a, b in zip(together, backwards, strict=True))
    assert session.usage().billed == used.billed, "as if it had been asked cold"
    assert server.calls.total() == 12
    assert ledger(tmp_path).known_usd == pytest.approx(server.usd(RATES))
    assert session.told()["service"]["requests"][0].startswith("request-")


def test_tokens_of_a_cache_are_charged_as_if_there_were_none() -> None:
    from harness_aws.chat import _charged

    used = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 107, "cacheReadInputTokens": 100}
    assert _charged(used) == {"input tokens": 105, "output tokens": 2}


def test_only_a_few_are_asked_at_once(server: AwsState, opened: Opened) -> None:
    from harness.remote.paying import CONCURRENCY

    server.pause_s = 0.03
    opened().answer(questions(40))
    assert 2 <= server.busiest <= CONCURRENCY


@pytest.mark.parametrize(("model", "requests"), [(TITAN, 70), (COHERE, 2)])
def test_vectors_are_of_unit_length_in_the_order_asked(
    server: AwsState, opened: Opened, model: str, requests: int
) -> None:
    session = opened(model)
    texts = [f"text {number} of {'many ' * (number % 3)}words" for number in range(70)]
    together = session.embed(texts)
    assert together.shape == (70, 48)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-6)
    assert np.array_equal(session.embed(texts[::-1])[::-1], together)
    assert server.calls.total() == requests
    assert session.usage().billed == {"embedding tokens": server.tokens[model, "embedding tokens"]}


def test_a_text_too_long_for_cohere_is_cut(opened: Opened) -> None:
    """The stand-in refuses longer ones, as the service does."""
    assert opened(COHERE).embed(["word " * 1000]).shape == (1, 48)


# -- faults ------------------------------------------------------------------------------------------------

SURE = ("500", "429", "429-after", "slow")
DOUBTFUL = ("drop-before", "drop-after", "truncated")


@pytest.mark.parametrize("fault", [*SURE, *DOUBTFUL])
@pytest.mark.parametrize("model", [MODEL, COHERE])
def test_a_fault_is_outlived_and_accounted_for(
    server: AwsState, opened: Opened, tmp_path: Path, model: str, fault: str
) -> None:
    def ask(file: str) -> Any:
        session = opened(model, file)
        return session.answer(questions(12)).chosen if model == MODEL else session.embed(["owls", "bats"]).tolist()

    calm_asked = ask("calm.jsonl")
    calm, asked_calmly = ledger(tmp_path, "calm.jsonl").known_usd, server.usd(RATES)
    seen = random.Random(fault)
    server.faults = lambda method, path: fault if seen.random() < 0.4 else None
    assert ask("cell.jsonl") == calm_asked
    spent, found = server.usd(RATES) - asked_calmly, ledger(tmp_path)
    assert found.known_usd == pytest.approx(calm)
    assert found.known_usd - 1e-12 <= spent <= found.known_usd + found.doubt_usd + 1e-12
    if fault in SURE:
        assert found.doubt_usd == 0
    elif fault == "drop-after" and model == MODEL:
        assert spent == pytest.approx(found.known_usd + found.doubt_usd), "each was charged, and each is a doubt"


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


def test_retry_after_is_waited_for(server: AwsState, opened: Opened) -> None:
    faults = ["429-after"] * 3
    server.faults = lambda method, path: faults.pop() if faults else None
    began = time.monotonic()
    opened().answer(questions(1))
    assert time.monotonic() - began >= 3 * 0.05
    assert len(server.requests) == 4


@pytest.mark.parametrize("fault", ["quota", "daily"])
def test_a_used_up_quota_is_no_rate_limit(server: AwsState, opened: Opened, fault: str) -> None:
    from harness.remote.paying import CONCURRENCY

    server.faults = lambda method, path: fault
    with pytest.raises(HarnessError, match="quota is used up"):
        opened().answer(questions(60))
    assert len(server.requests) <= CONCURRENCY, "no loop"


def test_it_follows_no_redirect(server: AwsState, opened: Opened) -> None:
    server.faults = lambda method, path: "redirect"
    with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
        opened().answer(questions(1))
    assert len(server.requests) == 1


def test_it_follows_no_bucket_to_another_region(server: AwsState, opened: Opened) -> None:
    server.moved = "eu-central-1"
    with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
        opened().tune(material(), (), RECIPE, _nothing)
    assert {method for method, _ in server.requests} == {"PUT"}


def test_a_server_that_is_not_there_is_no_doubt(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(HarnessError, match="EndpointConnectionError"):
        opened().answer(questions(1))
    assert ledger(tmp_path).doubt_usd == 0


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
    assert ledger(tmp_path).doubt_usd == 0


def test_a_wrong_key_is_told_without_secrets(
    server: AwsState, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    with pytest.raises(HarnessError, match=r"403 UnrecognizedClientException: .*\[AWS_SESSION_TOKEN\]") as refused:
        opened().answer(questions(1))
    assert "canary" not in str(refused.value)
    assert b"canary" not in (tmp_path / "cell.jsonl").read_bytes()


def test_one_question_too_long_is_chance_and_the_others_are_answered(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.standin import Refusal

    real = Bedrock.converse

    def refuses(self: Bedrock, model: str, body: dict[str, Any]) -> dict[str, Any]:
        if "wording 2" in str(body):
            raise Refusal(400, "Input is too long for requested model.", "ValidationException")
        return real(self, model, body)

    monkeypatch.setattr(Bedrock, "converse", refuses)
    session = opened()
    session.answer(questions(4))
    assert session.told()["service"]["notes"] == ["1 of 4 answers could not be read: chosen by chance"]


def test_a_cap_stops_before_the_call_that_could_pass_it(server: AwsState, opened: Opened) -> None:
    with pytest.raises(CapReached, match="--max-cost"):
        opened(most_usd=0.002).answer(questions(60))
    assert 0 < server.usd(RATES) <= 0.002


# -- training ----------------------------------------------------------------------------------------------

RECIPE = HostedRecipe(2, None, None, 0)


def _nothing(*_: Any) -> None:
    """No epoch is told."""


def tuned(session: Any, patience_s: float = 60.0, recipe: HostedRecipe = RECIPE) -> Any:
    until = time.monotonic() + patience_s
    while isinstance(found := session.tune(material(), material(3), recipe, _nothing), Pending):
        assert time.monotonic() < until, found.handle
        time.sleep(min(found.poll_after_s, 0.01))
    return found


def test_a_job_is_ordered_with_our_label_everywhere(server: AwsState, opened: Opened) -> None:
    session = opened()
    session.tune(material(), material(3), RECIPE, _nothing)
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
        tuned(opened())
    assert server.jobs == {}


def test_files_are_sent_once_and_never_written_over(server: AwsState, opened: Opened) -> None:
    for file in ("one.jsonl", "two.jsonl"):
        opened(file=file).tune(material(), (), RECIPE, _nothing)
    assert len(server.objects) == 1
    assert len(server.jobs) == 2, "of two cells"


def test_lists_are_read_to_their_end(server: AwsState, opened: Opened) -> None:
    for number in range(5):
        opened(file=f"cell{number}.jsonl").tune(material(), (), RECIPE, _nothing)
    server.page = 2
    session = opened(file="cell9.jsonl")
    assert len(session._training.jobs().labelled("harness-")) == 5


@pytest.mark.parametrize("fault", ["drop-after", "truncated"])
def test_a_job_whose_answer_was_lost_is_adopted(
    server: AwsState, opened: Opened, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [fault]
    server.hidden_lists = 2
    server.faults = lambda method, path: (
        faults.pop() if faults and method == "POST" and path == "/model-customization-jobs" else None
    )
    session = opened()
    found = session.tune(material(), (), RECIPE, _nothing)
    assert isinstance(found, Pending)
    assert found.handle.startswith("looking for a job labelled harness-cell-")
    for _ in range(3):
        found = session.tune(material(), (), RECIPE, _nothing)
    assert found.handle.startswith("job harness-cell-")
    assert len(server.jobs) == 1
    assert sum(1 for request in server.requests if request == ("POST", "/model-customization-jobs")) == 1


def test_a_list_cut_short_is_no_empty_list(server: AwsState, opened: Opened) -> None:
    """Else a job that is there would be taken for none, and a person told so."""
    from harness.remote.faults import Doubtful

    session = opened()
    session.tune(material(), (), RECIPE, _nothing)
    server.faults = lambda method, path: "truncated"
    with pytest.raises(Doubtful):
        session._jobs.labelled("harness-")


@pytest.mark.parametrize(
    ("fate", "told"),
    [("failed", "bad rows"), ("failed-empty", "the service tells no reason"), ("no-model", "names no model")],
)
def test_a_failed_job_tells_why_and_is_not_ordered_again(
    server: AwsState, opened: Opened, fate: str, told: str
) -> None:
    server.fate = lambda job: fate
    for _ in range(2):
        with pytest.raises(HarnessError, match=told):
            tuned(opened())
    assert len(server.jobs) == 1


def test_a_status_that_nobody_knows_is_waited_for(server: AwsState, opened: Opened) -> None:
    server.fate, server.polls = (lambda job: "strange"), 3
    session = opened()
    told = [session.tune(material(), (), RECIPE, _nothing).handle for _ in range(3)]
    assert told[-1].endswith("PausedByAnUpdate")


def test_a_multiple_of_the_learning_rate_is_for_the_family_that_takes_it(server: AwsState, opened: Opened) -> None:
    with pytest.raises(HarnessError, match="takes no multiple of its own learning rate"):
        tuned(opened(), recipe=HostedRecipe(1, None, 0.5, 0))
    assert server.requests == []


def test_each_family_is_shown_questions_in_its_own_form() -> None:
    import json

    from harness_aws.training import lines

    def first(model: str) -> dict[str, Any]:
        return dict(json.loads(lines(model, material(1))))

    nova = first("us.amazon.nova-lite-v1:0")
    assert nova["schemaVersion"] == "bedrock-conversation-2024"
    assert nova["messages"][1]["content"][0]["text"] == '{"answer": "A"}'
    claude = first("anthropic.claude-3-haiku-20240307-v1:0:200k")
    assert claude["messages"][1] == {"role": "assistant", "content": '{"answer": "A"}'}
    assert set(first("meta.llama3-1-8b-instruct-v1:0:128k")) == {"prompt", "completion"}


# -- deployments -------------------------------------------------------------------------------------------


def test_what_was_trained_answers_while_it_is_deployed_and_is_removed(server: AwsState, tmp_path: Path) -> None:
    session, _ = session_of(tmp_path / "cell.jsonl", trains=True)
    tuned(session)
    (deployment,) = server.deployments.values()
    assert deployment["modelDeploymentName"].startswith("harness-cell-")
    assert session.answer([example.question for example in material()]).chosen == [n % 4 for n in range(12)]
    assert session.told()["service"]["model"].startswith("arn:aws:bedrock:us-east-1:123456789012:custom-model/")
    session.close()
    assert server.deployments == {}
    assert server.deployed == 1


def test_a_deployment_rented_again_is_the_same_model_and_nothing_is_paid_twice(
    server: AwsState, tmp_path: Path
) -> None:
    """Its ARN is another; what was asked of it is known all the same."""
    asked = [example.question for example in material()]
    for _ in range(2):
        session, purse = session_of(tmp_path / "cell.jsonl", trains=True)
        tuned(session)
        session.answer(asked)
        session.save(tmp_path / "kept")
        session.close()
        purse.close()
    assert server.deployed == 2
    assert server.calls.total() == len(asked) + 1
    assert ledger(tmp_path).known_usd == pytest.approx(server.usd(RATES))
    assert ledger(tmp_path).answers["training"]["answer"]["estimated"] is True, "Bedrock tells no tokens"


@pytest.mark.parametrize("fault", ["drop-after", "truncated"])
def test_a_deployment_whose_answer_was_lost_is_adopted(server: AwsState, opened: Opened, fault: str) -> None:
    faults = [fault]
    path = "/model-customization/custom-model-deployments"
    server.faults = lambda method, where: faults.pop() if faults and (method, where) == ("POST", path) else None
    tuned(opened(trains=True))
    assert server.deployed == len(server.deployments) == 1


def test_a_name_that_is_taken_is_looked_at(server: AwsState, opened: Opened) -> None:
    from harness.remote.faults import Doubtful
    from harness_aws.deployments import deployments

    session = opened(trains=True)
    tuned(session)
    (found,) = server.deployments.values()
    with pytest.raises(Doubtful):
        deployments().start(found["modelDeploymentName"], found["modelArn"])
    assert [each.label for each in deployments().labelled("harness-")] == [found["modelDeploymentName"]]


def test_a_deployment_that_fails_is_removed_and_told(server: AwsState, opened: Opened) -> None:
    server.fate = lambda name: "failed-deployment" if name.startswith("harness-") else "succeeded"
    with pytest.raises(HarnessError, match="failed: Failed: no capacity"):
        tuned(opened(trains=True))
    assert server.deployments == {}


# -- whole runs --------------------------------------------------------------------------------------------

Ran = Callable[..., dict[str, Any]]


@pytest.fixture
def ran(server: AwsState, tiny: Path, tmp_path: Path) -> Ran:
    """Runs the tiny task; returns the report."""

    def run(**changes: Any) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "strategies": ["base", "rag:retriever=bm25"],
            "backends": ["aws"],
            "models": [f"aws:{MODEL}"],
            "prices": price_list(tmp_path),
            "allow_spend": True,
            "max_cost_usd": CAP_USD,
            "store": tmp_path / "store",
        }
        return dict(harness.run(tiny, **{**asked, **changes}).report)

    return run


def spent(store: Path) -> float:
    return sum(read_ledger(file).known_usd for file in (store / "paid").glob("*.jsonl"))


def test_a_run_is_one_table_with_money_and_says_that_it_is_emulated(ran: Ran, server: AwsState, tmp_path: Path) -> None:
    arms = ["base", "rag:retriever=bm25", "fewshot:retriever=bm25", "hosted", "hosted+rag:retriever=bm25", "probe"]
    report = ran(strategies=arms, models=[f"aws:{MODEL}", f"aws:{TITAN}"])
    rows = {row["arm"]: row for row in report["table"]}
    assert len(rows) == 6
    for row in rows.values():
        assert any(note.startswith("emulated: answered by a stand-in at http://127.0.0.1") for note in row["notes"])
        assert row["measurements"]["accuracy"]["basis"] == "emulated"
        assert row["measurements"]["usd_per_1k"]["value"] > 0
    hosted, base = (rows[f"{name}@aws:{MODEL}"]["measurements"] for name in ("hosted", "base"))
    assert hosted["accuracy"]["value"] == 100.0 > base["accuracy"]["value"]
    assert hosted["train_usd"]["value"] > 0
    assert spent(tmp_path / "store") == pytest.approx(server.usd(RATES), abs=1e-12)
    assert server.deployments == {}
    told = "; ".join(notice for each in report["run"]["leaving"] for notice in each["notices"])
    assert "put into the bucket a-bucket" in told
    assert CANARY not in str(report)
    assert TOKEN not in str(report)


def test_without_a_bucket_training_is_skipped_with_the_reason(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_HARNESS_BUCKET")
    report = ran(strategies=["base", "hosted"])
    reasons = {cell["arm"].split("@")[0]: cell["reason"] for cell in report["cells"] if cell["status"] == "skipped"}
    assert "AWS_HARNESS_BUCKET must name the bucket" in reasons["hosted"]


def test_without_leave_to_spend_nothing_is_sent(ran: Ran, server: AwsState) -> None:
    report = ran(allow_spend=False)
    assert {cell["status"] for cell in report["cells"]} == {"skipped"}
    assert server.requests == []


def test_a_killed_run_pays_for_nothing_again(ran: Ran, server: AwsState, tiny: Path, tmp_path: Path) -> None:
    """The whole command is killed, some answers in; the calls that were on their way are all that is asked again."""
    from harness.remote.paying import CONCURRENCY

    server.pause_s = 0.05
    program = [sys.executable, "-m", "harness", "run", "--task", str(tiny), "--strategy", "base", "--backend", "aws"]
    program += ["--model", f"aws:{MODEL}", "--prices", str(price_list(tmp_path)), "--allow-spend", "--max-cost", "5"]
    kills = 0
    for least in (3, 12):
        process = subprocess.Popen([*program, "--store", str(tmp_path / "store")], stderr=subprocess.DEVNULL)
        while process.poll() is None and server.calls.total() < least:
            time.sleep(0.005)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert kills == 2
    server.pause_s = 0.0
    report = ran(strategies=["base"])
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    (file,) = (tmp_path / "store" / "paid").glob("*.jsonl")
    found = read_ledger(file)
    assert found.calls == len(found.answers), "no answer was paid for twice"
    assert server.calls.total() - found.calls <= sum(found.open.values()) <= kills * CONCURRENCY
    assert found.known_usd <= server.usd(RATES) <= found.spent_usd + 1e-12


def test_a_run_killed_while_it_trains_and_deploys_orders_neither_again(
    ran: Ran, server: AwsState, tiny: Path, tmp_path: Path
) -> None:
    program = [sys.executable, "-m", "harness", "run", "--task", str(tiny), "--strategy", "hosted"]
    program += ["--backend", "aws", "--model", f"aws:{MODEL}", "--prices", str(price_list(tmp_path))]
    program += ["--allow-spend", "--max-cost", "5", "--store", str(tmp_path / "store")]
    server.polls = 10**6
    for begun in (lambda: server.jobs and server.looks, lambda: server.deployments):
        process = subprocess.Popen(program, stderr=subprocess.DEVNULL)
        while process.poll() is None and not begun():
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        server.looks.clear()
        if not server.deployments:
            (job,) = server.jobs
            server.polls = 0
            Bedrock(server).look(job)
            server.polls = 10**6
    assert server.deployed == 1
    server.polls = 0
    report = ran(strategies=["hosted"])
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    assert (len(server.jobs), server.deployed, server.deployments) == (1, 1, {})


@pytest.mark.slow
def test_no_byte_that_is_kept_or_shown_holds_a_secret(
    ran: Ran, server: AwsState, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The service telling the token back, answers and training failing in every way."""
    server.echoes_key = True
    faults = ["500", "429-after", "drop-after", "truncated"] * 2
    server.faults = lambda method, path: faults.pop() if faults and path.endswith("converse") else None
    for fatal in ("quota", "redirect", None):
        report = ran(strategies=["base", "rag:retriever=bm25", "hosted"], keep="all")
        assert "canary" not in str(report)
        server.faults = lambda method, path, fatal=fatal: fatal  # type: ignore[misc]
    assert any(
        b"[AWS_SESSION_TOKEN]" in file.read_bytes() for file in (tmp_path / "store").rglob("*") if file.is_file()
    )
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(kept) > 10
    assert [file for file in kept if b"canary" in file.read_bytes()] == []
    out, error = capfd.readouterr()
    assert "canary" not in out + error


def test_orphans_are_what_no_cell_claims(ran: Ran, server: AwsState, opened: Opened, tmp_path: Path) -> None:
    """A training under way and a deployment that goes on costing, both of a store that is not this one."""
    from harness.orphans import cancel, labelled

    tuned(opened(file="elsewhere.jsonl", trains=True))
    server.polls = 10**6
    opened(file="others.jsonl").tune(material(), (), RECIPE, _nothing)
    registry, store = load_registry(), tmp_path / "store"
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


@pytest.mark.slow
def test_random_lifecycles_pay_for_nothing_twice(tmp_path: Path) -> None:
    found = many(tmp_path, 30, seed=1, service=AWS)
    assert [number for number, ended in enumerate(found) if not ended.sound] == []
    assert {ended.outcome for ended in found} == {"done", "failed"}
    assert sum(ended.kills for ended in found) > 5


class TestAws(BackendKit):
    """What every backend must do; it tunes in none of the ways that the kit knows."""

    spec: ClassVar[BackendSpec] = next(iter(harness_backends()))
    seeded = False

    @pytest.fixture(autouse=True)
    def _served(self, server: AwsState, tmp_path: Path) -> None:
        type(self).run_options = {"prices": price_list(tmp_path), "allow_spend": True, "max_cost_usd": CAP_USD}

    @pytest.fixture(params=[MODEL, TITAN])
    def model(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


def test_importing_the_plugin_imports_no_sdk(server: AwsState) -> None:
    look = (
        "import sys, harness_aws; specs = harness_aws.harness_backends(); "
        "asked = [(spec, spec.service, spec.describe('a-b')) for spec in specs]; "
        "[(spec.offers(card), it.notices(card, it.endpoint(), True, None)) for spec, it, card in asked]; "
        "print([name for name in sys.modules if name.startswith(('boto', 's3transfer'))])"
    )
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True)
    assert shown.stdout.strip() == "[]"
