"""Cells done on machines of SageMaker, against a stand-in whose training jobs are processes of this machine."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import HarnessError, UsageError
from harness.orphans import cancel, labelled
from harness.registry import Registry
from harness.remote.faults import Doubtful, Refused
from harness.remote.machines import Hire
from harness.remote.purse import read_ledger
from harness_aws.flavors import INSTALL, endpoint, flavor, unready
from tests.support.moved import RATES, lived, moved_job, packed_result, result_files
from tests.support.sagemaker_jobs import SageMakerState, serving
from tests.support.served_aws import KEY, environment
from tests.support.standin import FAULTS

pytestmark = pytest.mark.remote

CANARY = "canary-secret-4e77b1"
FLAVOR = "ml.m5.large"
PRICES = {(FLAVOR, "machine seconds"): RATES["machine seconds"]}
IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/cells:1"
HIRE = Hire(FLAVOR, b"cell", 930.7, "0.1.0", ("aws", "torch"), "harness-cell-01234567")
LIST = (
    f'[[price]]\nprovider = "aws"\nregion = "any"\nitem = "{FLAVOR}"\nunit = "hour"\nusd = 0.36\n'
    'valid_from = 2026-11-01\nsource = "made up"\n'
)


def surroundings(url: str) -> dict[str, str]:
    return {**environment(url, CANARY), "AWS_HARNESS_IMAGE": IMAGE, "AWS_HARNESS_INSTALL": "true"}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SageMakerState]:
    with serving(SageMakerState(key=KEY)) as (url, state):
        for name, value in surroundings(url).items():
            monkeypatch.setenv(name, value)
        yield state


@pytest.fixture
def machines(server: SageMakerState) -> Any:
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
    for name, value in surroundings("http://127.0.0.1:9").items():
        if name.startswith("AWS_HARNESS_") and name != INSTALL:
            assert str(unready(endpoint())).startswith("AWS_HARNESS_")
            monkeypatch.setenv(name, value)
    assert unready(endpoint()) is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    with pytest.raises(UsageError, match="both be on this machine or neither"):
        endpoint()


def test_an_order_says_all_that_it_must(server: SageMakerState, machines: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_HARNESS_INSTALL")
    server.canned, server.fate = b"{}", lambda name: "stuck"
    made = machines.create(HIRE, machines.upload("harness-0a.tar.gz", b"cell"), None)
    (sent,) = server.hired.values()
    assert sent["StoppingCondition"] == {"MaxRuntimeInSeconds": 930}
    assert sent["ResourceConfig"] == {"InstanceType": FLAVOR, "InstanceCount": 1, "VolumeSizeInGB": 50}
    assert sent["AlgorithmSpecification"]["TrainingImage"] == IMAGE
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


def test_lists_go_on_to_their_end(server: SageMakerState, machines: Any) -> None:
    server.page, server.fate = 2, lambda name: "stuck"
    for number in range(5):
        machines.create(HIRE.labelled(f"harness-cell-{number}"), "s3://a-bucket/harness/x", None)
    assert [job.label for job in machines.labelled("harness-")] == [f"harness-cell-{number}" for number in range(5)]


def test_a_result_that_is_not_there_or_too_large_is_told(server: SageMakerState, machines: Any) -> None:
    assert machines.result("harness-x", 100) is None
    server.objects["/a-bucket/harness/results/harness-x/output/model.tar.gz"] = b"x" * 101
    with pytest.raises(Refused, match="has 101 bytes, 100 are read at most"):
        machines.result("harness-x", 100)
    with pytest.raises(HarnessError, match="no sound archive"):
        machines.result("harness-x", 101)


@pytest.mark.parametrize("seed", range(10))
def test_never_two_machines_for_one_cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    import harness_aws.machines

    draw = random.Random(seed)
    where = {"machines": "aws", "load": "harness_aws.machines:machines", "flavor": FLAVOR}
    job = moved_job(tmp_path / "store", elsewhere=where)
    fate, faulty = draw.choice(("succeeded",) * 3 + ("failed",)), draw.choice((0, 0.1, 0.3))
    state = SageMakerState(
        key=KEY,
        polls=1,
        fate=lambda _: fate,
        canned=packed_result(result_files(job)),
        hidden_lists=draw.choice((0, 1)),
        faults=lambda method, path: draw.choice(FAULTS) if draw.random() < faulty else None,
    )
    with serving(state) as (url, _):
        for name, value in surroundings(url).items():
            monkeypatch.setenv(name, value)
        harness_aws.machines.machines()  # reads the SDK's files once, for all that are forked
        outcome = lived(job, draw, lambda: set(state.hired))
    ledger = read_ledger(Path(job["spending"]["file"]))
    assert outcome == ("done" if fate == "succeeded" else "failed")
    assert len(state.hired) == 1
    assert ledger.known_usd == pytest.approx(state.usd(PRICES), abs=1e-12)
    assert ledger.doubt_usd == 0


Ran = Callable[..., harness.Run]


@pytest.fixture
def ran(server: SageMakerState, registry: Registry, tiny: Path, tmp_path: Path) -> Ran:
    prices = tmp_path / "prices.toml"
    prices.write_text(LIST)

    def run(*strategies: str, on: str | None = f"aws:{FLAVOR}", **options: Any) -> harness.Run:
        fields: dict[str, Any] = {
            "strategies": strategies,
            "backends": ["fake"],
            "store": tmp_path / "store",
            "registry": registry,
            "prices": prices,
            "max_cost_usd": 5.0,
            "allow_spend": True,
            "on": on,
        }
        return harness.run(tiny, **{**fields, **options})

    return run


def states(run: harness.Run) -> list[tuple[str, str | None]]:
    return [(cell["status"], cell["reason"]) for cell in run.report["cells"]]


def test_a_moved_run_answers_as_here_and_is_paid_once(server: SageMakerState, ran: Ran, tmp_path: Path) -> None:
    def accuracies(run: harness.Run) -> dict[str, Any]:
        return {row["arm"]: row["measurements"]["accuracy"]["value"] for row in run.report["table"]}

    here = ran("base", "full", on=None, store=tmp_path / "here")
    moved = ran("base", "full")
    assert {status for status, _ in states(moved)} == {"done"}
    assert accuracies(moved) == accuracies(here) == accuracies(ran("base", "full"))
    assert len(server.hired) == 2
    paid = sum(read_ledger(file).known_usd for file in (tmp_path / "store" / "paid").glob("*.jsonl"))
    assert paid == pytest.approx(server.usd(PRICES))
    assert all("emulated" in " ".join(row["notes"]) for row in moved.report["table"])
    for file in (path for path in tmp_path.rglob("*") if path.is_file()):
        assert CANARY.encode() not in file.read_bytes(), file


def test_bad_ends_are_told(server: SageMakerState, ran: Ran) -> None:
    server.limit_s = 0.3
    ((status, reason),) = states(ran("base"))
    assert (status, "MaxRuntimeExceeded" in str(reason)) == ("failed", True)
    server.limit_s, server.fate = 60.0, lambda name: "failed"
    ((status, reason),) = states(ran("base", fresh=True))
    assert (status, "CapacityError: no capacity; --fresh orders another machine" in str(reason)) == ("failed", True)
    assert len(server.hired) == 2
    server.fate = lambda name: "succeeded"
    assert [status for status, _ in states(ran("starves"))] == ["oom"]


def test_what_is_left_is_listed_and_ended(server: SageMakerState, ran: Ran, registry: Registry, tmp_path: Path) -> None:
    server.fate = lambda name: "stuck"

    def stops(event: Any) -> None:
        if event.name == "cell.waiting":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ran("base", listeners=[stops])
    (row,) = [each for each in labelled(registry, tmp_path / "store") if each["what"] == "machine"]
    assert (row["backend"], row["left"], row["state"]) == ("aws", False, "InProgress")
    assert cancel(registry, str(row["label"]), tmp_path / "store").told == "Stopped"
