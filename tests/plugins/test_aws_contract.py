"""What backend `aws` asks, by servers and checks that are not ours: moto for S3 and training, botocore for the rest."""

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
from harness.remote.faults import Refused
from harness.remote.hosting import Stage
from harness.remote.orders import HostedRecipe, Order, State
from harness.remote.purse import Purse
from harness_aws.backend import load
from harness_aws.capabilities import describe
from harness_aws.deployments import BedrockDeployments, deployments
from harness_aws.jobs import jobs
from tests.support.served_aws import KEY, MODEL, ROLE
from tests.support.services import questions

pytestmark = pytest.mark.remote

ARN = "arn:aws:bedrock:us-east-1:123456789012"
WHEN = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS itself as the place, which moto and stubs stand before: nothing leaves."""
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    named = {"REGION": "us-east-1", "ACCESS_KEY_ID": KEY, "SECRET_ACCESS_KEY": "canary-secret-5b1f0e"}
    for name, value in {**named, "HARNESS_BUCKET": "a-bucket", "HARNESS_ROLE_ARN": ROLE}.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
def moto() -> Iterator[None]:
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="a-bucket")
        yield


def test_moto_keeps_what_is_put_once_and_reads_it_back(moto: None) -> None:
    storage = boto3.client("s3", region_name="us-east-1")
    uri = jobs().upload("harness-1.jsonl", b"{}\n")
    assert uri == "s3://a-bucket/harness/harness-1.jsonl"
    assert storage.get_object(Bucket="a-bucket", Key="harness/harness-1.jsonl")["Body"].read() == b"{}\n"
    assert jobs().upload("harness-1.jsonl", b"{}\n") == uri
    with pytest.raises(Refused, match="holds other bytes than its name says"):
        jobs().upload("harness-1.jsonl", b"others\n")
    assert storage.get_object(Bucket="a-bucket", Key="harness/harness-1.jsonl")["Body"].read() == b"{}\n"


def test_moto_takes_the_order_and_finds_it_by_its_label(moto: None) -> None:
    """Nothing trains there: what it shows is that the requests are understood by a server that is not ours."""
    service = jobs()
    order = Order(MODEL, b"{}\n", b"", HostedRecipe(2, 1, None, 0), "harness-cell-0123abcd")
    train = service.upload("harness-1.jsonl", b"{}\n")
    made = service.create(order, train, None)
    (found,) = service.labelled("harness-")
    assert (found.id, found.label, found.state) == (made.id, order.label, State.RUNNING)
    raw = boto3.client("bedrock", region_name="us-east-1").get_model_customization_job(jobIdentifier=made.id)
    assert raw["hyperParameters"] == {"epochCount": "2", "batchSize": "1"}
    assert raw["clientRequestToken"] == order.label
    assert service.cancel(made.id).state is State.CANCELLED


# -- botocore's own model of the service, which checks every name, type and pattern it knows ----------------


def answered(monkeypatch: pytest.MonkeyPatch, model: str, method: str, response: dict[str, Any]) -> Any:
    """A session whose runtime gives this response to `method`, and the stub that saw the request."""
    import harness_aws.client

    real, stubs = harness_aws.client.made, []

    def stubbed(service: str, again: int = 0) -> Any:
        client = real(service, again)
        stub = Stubber(client)
        stub.add_response(method, response)
        stub.activate()
        stubs.append(stub)
        return client

    monkeypatch.setattr(harness_aws.client, "made", stubbed)
    return stubs


def test_an_answer_of_the_published_shape_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """The stub raises for a request or an answer that the service's model does not know."""
    response = {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "B is tempting"}}},
                    {"toolUse": {"toolUseId": "t-1", "name": "answer", "input": {"answer": "C"}}},
                ],
            }
        },
        "stopReason": "tool_use",
        "usage": {"inputTokens": 40, "outputTokens": 9, "totalTokens": 52, "cacheReadInputTokens": 3},
        "metrics": {"latencyMs": 100},
        "ResponseMetadata": {"HTTPStatusCode": 200, "HTTPHeaders": {}, "RequestId": "r-1"},
        "trace": {"promptRouter": {"invokedModelId": f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"}},
    }
    stubs = answered(monkeypatch, MODEL, "converse", response)
    purse = Purse(tmp_path / "cell.jsonl", dict.fromkeys(("input tokens", "output tokens"), 1.0), 1.0)
    session = load().open(describe(MODEL), kind=Kind.CHOICE, labels=(), seed=0, purse=purse)
    assert session.answer(questions(1)).chosen == [2]
    assert dict(purse.ledger.billed) == {"input tokens": 43, "output tokens": 9}
    assert session.told()["service"]["answered_by"] == [f"arn:aws:bedrock:us-east-1::foundation-model/{MODEL}"]
    stubs[0].assert_no_pending_responses()
    session.close()


@pytest.mark.parametrize(
    ("model", "body", "headers"),
    [
        ("amazon.titan-embed-text-v2:0", {"embedding": [3.0, 4.0], "inputTextTokenCount": 7}, {}),
        (
            "cohere.embed-english-v3",
            {"embeddings": {"float": [[3.0, 4.0]]}, "response_type": "embeddings_by_type"},
            {"x-amzn-bedrock-input-token-count": "7"},
        ),
    ],
)
def test_vectors_of_the_published_shape_are_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, model: str, body: dict[str, Any], headers: dict[str, str]
) -> None:
    raw = json.dumps(body).encode()
    stream = StreamingBody(io.BytesIO(raw), len(raw))
    metadata = {"HTTPStatusCode": 200, "HTTPHeaders": headers}
    response = {"body": stream, "contentType": "application/json", "ResponseMetadata": metadata}
    answered(monkeypatch, model, "invoke_model", response)
    purse = Purse(tmp_path / "cell.jsonl", {"embedding tokens": 1.0}, 1.0)
    session = load().open(describe(model), kind=Kind.CHOICE, labels=(), seed=0, purse=purse)
    assert np.allclose(session.embed(["a text"]), [[0.6, 0.8]])
    assert dict(purse.ledger.billed) == {"embedding tokens": 7}
    session.close()


def test_a_deployment_of_the_published_shape_is_found_and_removed() -> None:
    client = boto3.client("bedrock", region_name="us-east-1")
    arn, label = f"{ARN}:custom-model-deployment/0123456789ab", "harness-cell-0123abcd"
    model = f"{ARN}:custom-model/{MODEL}/0123456789ab"
    row = {"customModelDeploymentArn": arn, "modelArn": model, "createdAt": WHEN, "status": "Creating"}
    with Stubber(client) as stub:
        named = {"modelDeploymentName": label, "modelArn": model, "tags": [{"key": "harness", "value": label}]}
        stub.add_response("create_custom_model_deployment", {"customModelDeploymentArn": arn}, None)
        stub.add_response("get_custom_model_deployment", {**row, "modelDeploymentName": label})
        rows = [{**row, "customModelDeploymentName": label, "status": "Failed", "failureMessage": "no room"}]
        stub.add_response("list_custom_model_deployments", {"modelDeploymentSummaries": rows})
        stub.add_response("delete_custom_model_deployment", {}, {"customModelDeploymentIdentifier": label})
        stub.add_client_error("get_custom_model_deployment", "ResourceNotFoundException", http_status_code=404)
        service = BedrockDeployments(client, client, deployments()._redact)  # type: ignore[attr-defined]
        assert service.start(named["modelDeploymentName"], model).stage is Stage.STARTING
        found = service.look(label)
        assert found is not None
        assert (found.name, found.stage) == (f"custom-model-deployment/{label}", Stage.STARTING)
        assert [(each.stage, each.told) for each in service.labelled("harness-")] == [(Stage.FAILED, "Failed: no room")]
        service.stop(label)
        assert service.look(label) is None
        stub.assert_no_pending_responses()
