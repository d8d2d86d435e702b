"""What is peculiar to machines of SageMaker's training jobs."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import HarnessError, UsageError
from harness.remote.faults import Doubtful, Refused
from harness.remote.machines import Hire
from harness_aws.flavors import INSTALL, endpoint, flavor, unready
from tests.support.machines import AWS, CANARY, Place
from tests.support.sagemaker_jobs import SageMakerState

pytestmark = pytest.mark.remote

FLAVOR = AWS.flavor
HIRE = Hire(FLAVOR, b"cell", 930.7, "0.1.0", ("aws", "torch"), "harness-cell-01234567")


@pytest.fixture(scope="module")
def place() -> Place:
    return AWS


@pytest.fixture
def machines(hub: SageMakerState) -> Any:
    from harness_aws.machines import machines

    return machines()


def test_flavours_have_the_gpu_that_prices_name() -> None:
    assert flavor("ml.g4dn.xlarge").gpu == "NVIDIA T4"
    assert flavor("ml.g6.16xlarge").gpu == "NVIDIA L4"
    assert flavor(FLAVOR).device == "cpu"
    for name in ("g4dn.xlarge", "ml.g4dn.12xlarge", "ml.p4d.24xlarge", "ml.m5.", "ml.m5.large; rm"):
        with pytest.raises(UsageError):
            flavor(name)


def test_what_is_missing_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_HARNESS_BUCKET", "AWS_HARNESS_ROLE_ARN", "AWS_HARNESS_IMAGE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    assert endpoint().url == "https://api.sagemaker.eu-central-1.amazonaws.com"
    for name, value in AWS.environment("http://127.0.0.1:9").items():
        if name.startswith("AWS_HARNESS_") and name != INSTALL:
            assert str(unready(endpoint())).startswith("AWS_HARNESS_")
            monkeypatch.setenv(name, value)
    assert unready(endpoint()) is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="both be on this machine or neither"):
        endpoint()


def test_an_order_says_all_that_it_must(hub: SageMakerState, machines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_HARNESS_INSTALL")
    hub.canned, hub.fate = b"{}", lambda name: "stuck"
    made = machines.create(HIRE, machines.upload("harness-0a.tar.gz", b"cell"), None)
    (sent,) = hub.hired.values()
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 930}
    assert sent["ResourceConfig"] == {"InstanceType": FLAVOR, "InstanceCount": 1, "VolumeSizeInGB": 50}
    assert sent["AlgorithmSpecification"]["TrainingImage"] == AWS.environment("")["AWS_HARNESS_IMAGE"]
    assert sent["Environment"]["HARNESS_COMMAND"] == (
        "pip install --no-input 'adapt-harness[aws,torch]==0.1.0' && exec python -m harness.elsewhere run "
        "/opt/ml/input/data/bundle/harness-0a.tar.gz /opt/ml/model/result.tar.gz"
    )
    assert (
        sent["InputDataConfig"][0]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://a-bucket/harness/harness-0a.tar.gz"
    )
    assert CANARY not in str(sent)
    assert (made.id, made.label) == (HIRE.label, HIRE.label)
    assert [job.id for job in machines.labelled("harness-")] == [HIRE.label]
    assert machines.cancel(HIRE.label).told == "Stopped"
    with pytest.raises(Doubtful, match="must be unique"):
        machines.create(HIRE, "s3://a-bucket/harness/x", None)


def test_lists_go_on_to_their_end(hub: SageMakerState, machines: Any) -> None:
    hub.page, hub.fate = 2, lambda name: "stuck"
    for number in range(5):
        machines.create(HIRE.labelled(f"harness-cell-{number}"), "s3://a-bucket/harness/x", None)
    assert [job.label for job in machines.labelled("harness-")] == [f"harness-cell-{number}" for number in range(5)]


def test_a_result_that_is_not_there_or_too_large_is_told(hub: SageMakerState, machines: Any) -> None:
    assert machines.result("harness-x", 100) is None
    hub.objects["/a-bucket/harness/results/harness-x/output/model.tar.gz"] = b"x" * 101
    with pytest.raises(Refused, match="has 101 bytes, 100 are read at most"):
        machines.result("harness-x", 100)
    with pytest.raises(HarnessError, match="no sound archive"):
        machines.result("harness-x", 101)
