"""What backend `sagemaker` asks, by botocore's own model of the service and by moto, which are not ours."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import numpy as np
import pytest
from botocore.response import StreamingBody
from botocore.stub import Stubber
from moto import mock_aws

from harness.plugin import Kind
from harness.remote.hosting import Stage
from harness.remote.purse import Purse
from harness_aws.client import redactor
from harness_aws.sagemaker.backend import load
from harness_aws.sagemaker.capabilities import describe
from harness_aws.sagemaker.endpoints import SageMakerEndpoints, deployments
from tests.support.served_aws import KEY, ROLE
from tests.support.services import questions

pytestmark = pytest.mark.remote

ARN = "arn:aws:sagemaker:us-east-1:123456789012"
WHEN = datetime(2026, 11, 26, tzinfo=UTC)
LABEL, MODEL = "harness-cell-0123abcd", "model/llama@ml.g4dn.xlarge"
COMPLETION = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "/opt/ml/model",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": '{"answer": "C"}', "refusal": None, "tool_calls": []},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {"prompt_tokens": 40, "completion_tokens": 9, "total_tokens": 49, "prompt_tokens_details": None},
}
GENERATED = [
    {
        "generated_text": '{"answer": "C"}',
        "details": {
            "finish_reason": "eos_token",
            "generated_tokens": 9,
            "seed": None,
            "prefill": [{"id": 1, "text": "<s>", "logprob": None}] * 40,
            "tokens": [
                {"id": 5, "text": '{"answer": "', "logprob": -0.1, "special": False},
                {"id": 6, "text": "C", "logprob": -0.5, "special": False},
                {"id": 7, "text": '"}', "logprob": -0.1, "special": False},
                {"id": 2, "text": "</s>", "logprob": -0.1, "special": True},
            ],
            "top_tokens": [[], [{"id": 6, "text": "C", "logprob": -0.5}, {"id": 8, "text": "A", "logprob": -1.5}], []],
        },
    }
]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS itself as the place, which moto and stubs stand before: nothing leaves."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {
        "REGION": "us-east-1",
        "ACCESS_KEY_ID": KEY,
        "SECRET_ACCESS_KEY": "canary-secret-5b1f0e",
    }.items():
        monkeypatch.setenv(f"AWS_{name}", value)


def opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, model: str, reply: Any) -> tuple[Any, Purse, Stubber]:
    """A session whose runtime gives this reply; the stub raises for what the service's model does not know."""
    import harness_aws.sagemaker.backend

    client = boto3.client("sagemaker-runtime", region_name="us-east-1")
    raw = json.dumps(reply).encode()
    response = {
        "Body": StreamingBody(io.BytesIO(raw), len(raw)),
        "ContentType": "application/json",
        "InvokedProductionVariant": "one",
        "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RequestId": "r-1"},
    }
    stub = Stubber(client)
    stub.add_response("invoke_endpoint", response)
    stub.activate()
    monkeypatch.setattr(harness_aws.sagemaker.backend, "made", lambda service: client)
    sorts = ("input tokens", "output tokens", "embedding tokens")
    purse = Purse(tmp_path / "cell.jsonl", dict.fromkeys(sorts, 1.0), 1.0)
    return load().open(describe(model), kind=Kind.CHOICE, labels=(), seed=0, purse=purse), purse, stub


@pytest.mark.parametrize("reply", [COMPLETION, GENERATED, GENERATED[0]], ids=["messages", "texts", "text"])
def test_an_answer_of_either_form_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, reply: Any) -> None:
    session, purse, stub = opened(monkeypatch, tmp_path, "chatty", reply)
    answers = session.answer(questions(1))
    assert answers.chosen == [2]
    assert dict(purse.ledger.billed) == {"input tokens": 40, "output tokens": 9}
    if reply is not COMPLETION:
        assert answers.scores[0][2] - answers.scores[0][0] == pytest.approx(1.0)
    assert session.told()["service"]["requests"] == ["r-1"]
    stub.assert_no_pending_responses()
    session.close()


def test_vectors_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    session, _, stub = opened(monkeypatch, tmp_path, "m-embed", [[3.0, 4.0]])
    assert np.allclose(session.embed(["a text"]), [[0.6, 0.8]])
    stub.assert_no_pending_responses()
    session.close()


def test_an_endpoint_of_the_published_shape_is_rented_found_and_removed() -> None:
    client = boto3.client("sagemaker", region_name="us-east-1")
    arn, config = f"{ARN}:endpoint/{LABEL}", f"{ARN}:endpoint-config/{LABEL}"
    row = {"EndpointName": LABEL, "EndpointArn": arn, "CreationTime": WHEN, "LastModifiedTime": WHEN}
    tags = [{"Key": "harness", "Value": LABEL}]
    variant = {"VariantName": "one", "ModelName": "llama", "InstanceType": "ml.g4dn.xlarge", "InitialInstanceCount": 1}
    named = {"EndpointConfigName": LABEL}
    missing = f'Could not find endpoint "{arn}".'
    with Stubber(client) as stub:
        wanted = {**named, "ProductionVariants": [variant], "Tags": tags}
        stub.add_response("create_endpoint_config", {"EndpointConfigArn": config}, wanted)
        stub.add_response("create_endpoint", {"EndpointArn": arn}, {"EndpointName": LABEL, **named, "Tags": tags})
        stub.add_response("describe_endpoint", {**row, "EndpointStatus": "InService"}, {"EndpointName": LABEL})
        listed = {"Endpoints": [{**row, "EndpointStatus": "Failed"}]}
        stub.add_response("list_endpoints", listed, {"NameContains": "harness-"})
        configs = [{"EndpointConfigName": LABEL, "EndpointConfigArn": config, "CreationTime": WHEN}]
        stub.add_response("list_endpoint_configs", {"EndpointConfigs": configs}, {"NameContains": "harness-"})
        stub.add_response("delete_endpoint", {}, {"EndpointName": LABEL})
        stub.add_response("delete_endpoint_config", {}, named)
        stub.add_client_error("describe_endpoint", "ValidationException", missing, 400)
        service = SageMakerEndpoints(client, client, redactor())
        assert service.start(LABEL, MODEL).stage is Stage.STARTING
        found = service.look(LABEL)
        assert found is not None
        assert (found.name, found.stage) == (LABEL, Stage.READY)
        assert [(each.stage, each.told) for each in service.labelled("harness-")] == [(Stage.FAILED, "Failed")]
        service.stop(LABEL)
        assert service.look(LABEL) is None
        stub.assert_no_pending_responses()


# -- moto ---------------------------------------------------------------------------------------------------


@pytest.fixture
def moto() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("sagemaker", region_name="us-east-1")
        client.create_model(ModelName="llama", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": "an-image"})
        yield client


def test_moto_rents_an_endpoint_and_removes_it(moto: Any) -> None:
    """Nothing runs there, and it is in service at once: it shows that the requests are understood by others."""
    service = deployments()
    service.start(LABEL, MODEL)
    raw = moto.describe_endpoint_config(EndpointConfigName=LABEL)
    assert raw["ProductionVariants"][0]["InstanceType"] == "ml.g4dn.xlarge"
    found = service.look(LABEL)
    assert found is not None
    assert found.stage is Stage.READY
    assert [each.label for each in service.labelled("harness-")] == [LABEL]
    service.stop(LABEL)
    assert service.look(LABEL) is None
    assert moto.list_endpoint_configs()["EndpointConfigs"] == []
    service.stop(LABEL)


def test_moto_gives_a_seeded_reply(moto: Any, tmp_path: Any) -> None:
    """It answers any request for any name: only that ours is read as one."""
    from moto.core import DEFAULT_ACCOUNT_ID
    from moto.sagemakerruntime.models import sagemakerruntime_backends

    queue = sagemakerruntime_backends[DEFAULT_ACCOUNT_ID]["us-east-1"].results_queue
    queue.append((json.dumps(COMPLETION), "application/json", "one", ""))
    purse = Purse(tmp_path / "cell.jsonl", dict.fromkeys(("input tokens", "output tokens"), 1.0), 1.0)
    session = load().open(describe("chatty"), kind=Kind.CHOICE, labels=(), seed=0, purse=purse)
    assert session.answer(questions(1)).chosen == [2]
    session.close()
