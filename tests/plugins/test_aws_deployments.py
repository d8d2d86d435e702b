"""What Bedrock trained answers while it is deployed: once, and in the end no more."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.remote.faults import Doubtful
from harness.remote.purse import read_ledger
from tests.plugins.conftest import Opened, Runs, trained
from tests.support.aws_server import AwsState, Bedrock
from tests.support.forked import Command
from tests.support.services import AWS, Service, material

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]


@pytest.fixture(scope="module")
def service() -> Service:
    return AWS


def test_what_was_trained_answers_while_it_is_deployed_and_is_removed(server: AwsState, opened: Opened) -> None:
    session = trained(opened)
    (deployment,) = server.deployments.values()
    assert deployment["modelDeploymentName"].startswith("harness-cell-")
    assert session.answer([example.question for example in material()]).chosen == [n % 4 for n in range(12)]
    assert session.told()["service"]["model"].startswith("arn:aws:bedrock:us-east-1:123456789012:custom-model/")
    session.close()
    assert server.deployments == {}
    assert server.deployed == 1


def test_a_deployment_rented_again_is_the_same_model_and_nothing_is_paid_twice(
    server: AwsState, opened: Opened, tmp_path: Path
) -> None:
    """Its ARN is another; what was asked of it is known all the same."""
    asked = [example.question for example in material()]
    for _ in range(2):
        session = trained(opened)
        session.answer(asked)
        session.save(tmp_path / "kept")
        session.close()
    assert server.deployed == 2
    assert server.calls.total() == len(asked) + 1
    assert read_ledger(tmp_path / "cell.jsonl").known_usd == pytest.approx(AWS.owes(server))
    assert read_ledger(tmp_path / "cell.jsonl").answers["training"]["answer"]["estimated"] is True, (
        "Bedrock tells no tokens"
    )


@pytest.mark.parametrize("fault", ["drop-after", "truncated"])
def test_a_deployment_whose_answer_was_lost_is_adopted(server: AwsState, opened: Opened, fault: str) -> None:
    faults = [fault]
    path = "/model-customization/custom-model-deployments"
    server.faults = lambda method, where: faults.pop() if faults and (method, where) == ("POST", path) else None
    trained(opened)
    assert server.deployed == len(server.deployments) == 1


def test_a_name_that_is_taken_is_looked_at(server: AwsState, opened: Opened) -> None:
    from harness_aws.deployments import deployments

    trained(opened)
    (found,) = server.deployments.values()
    with pytest.raises(Doubtful):
        deployments().start(found["modelDeploymentName"], found["modelArn"])
    assert [each.label for each in deployments().labelled("harness-")] == [found["modelDeploymentName"]]


def test_a_deployment_that_fails_is_removed_and_told(server: AwsState, opened: Opened) -> None:
    server.fate = lambda name: "failed-deployment" if name.startswith("harness-") else "succeeded"
    with pytest.raises(HarnessError, match="failed: Failed: no capacity"):
        trained(opened)
    assert server.deployments == {}


def test_a_run_killed_while_it_trains_and_deploys_orders_neither_again(ran: Runs, server: AwsState) -> None:
    server.polls = 10**6
    for begun in (lambda: server.jobs and server.looks, lambda: server.deployments):
        process = Command(*ran.command("hosted"))
        while process.poll() is None and not begun():
            time.sleep(0.002)
        process.kill()
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
    told = "; ".join(notice for each in report["run"]["leaving"] for notice in each["notices"])
    assert "put into the bucket a-bucket" in told
