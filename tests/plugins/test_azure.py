"""Backend `azure` against a stand-in on loopback: a login, deployments by the hour, and all that OpenAI's API has."""

from __future__ import annotations

import contextlib
import functools
import os
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
from harness.plugin import BackendSpec
from harness.registry import load_registry
from harness.remote.hosting import HOSTING
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.purse import Purse, read_ledger
from harness.testing import BackendKit
from harness_azure import harness_backends
from harness_azure.capabilities import describe, endpoint, offers, why_not
from tests.support.azure_server import LOGIN_HEADER, AzureState, azure_serving
from tests.support.served import CAP_USD, RATES, TUNED, material, price_list, questions

pytestmark = [pytest.mark.remote, pytest.mark.usefixtures("soon_again")]

CANARY = "az-canary-91c0aa"
USD_PER_HOUR = 3.6
A_MILLION_SECONDS = USD_PER_HOUR * 1e6 / 3600
CLOCKS_S = 5.0
"""By so much we may tell more than the server counted: from order to answer, whole seconds, looks until it is gone."""


def prices(folder: Path) -> Path:
    file = price_list(folder)
    hour = '[[price]]\nprovider = "stand-in"\nregion = "any"\nitem = "ft:m"\nunit = "hour"\nsource = "made up"\n'
    file.write_text(f"{file.read_text()}{hour}usd = {USD_PER_HOUR}\nvalid_from = 2026-11-01\n")
    return file


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[AzureState]:
    """With a login and without a key."""
    from harness_azure import credentials

    credentials._login.cache_clear()
    with azure_serving(AzureState(key=CANARY)) as (environment, state):
        monkeypatch.delenv("AZURE_OPENAI_API_KEY", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        yield state


Opened = Callable[..., Any]
RECIPE = HostedRecipe(1, None, None, 0)


@pytest.fixture
def opened(tmp_path: Path, server: AzureState, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    import harness.remote.hosted
    from harness_azure.backend import load

    monkeypatch.setattr(harness.remote.hosted, "POLL_EMULATED_S", 0.01)
    sessions = []

    def opens(model: str = "m", file: str = "cell.jsonl") -> Any:
        rates = {**TUNED, "embedding tokens": 0.5, HOSTING: A_MILLION_SECONDS}
        purse = Purse(tmp_path / file, rates, 100.0)
        session = load().open(describe(model), kind="choice", labels=(), seed=0, purse=purse)
        sessions.append(session)
        return session

    yield opens
    for session in sessions:
        session.close()


def trained(opened: Opened) -> Any:
    """As a cell does: a new session for every look, closed before the next one."""
    for _ in range(400):
        session = opened()
        found = session.tune(material(), material(3), RECIPE, lambda epoch: None)
        if not isinstance(found, Pending):
            return session
        session.close()
        time.sleep(0.005)
    raise AssertionError(f"still {found}")


# -- who asks, and where -----------------------------------------------------------------------------------


def test_it_is_asked_by_a_login(server: AzureState, opened: Opened) -> None:
    assert len(opened().answer(questions(4)).scores) == 4
    assert set(server.tokens_for.values()) == {"https://cognitiveservices.azure.com"}


def test_a_key_makes_a_login_needless(server: AzureState, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", CANARY)
    opened().answer(questions(2))
    assert server.tokens_for == {}


def test_a_token_that_runs_out_is_had_anew(server: AzureState, opened: Opened) -> None:
    server.token_s = 1
    session = opened()
    session.answer(questions(2))
    first = len(server.tokens_for)
    time.sleep(1.1)
    session.answer(questions(5))
    assert len(server.tokens_for) > first


def test_without_a_login_it_says_so_and_nothing_is_paid(
    server: AzureState, opened: Opened, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "wrong-canary")
    with pytest.raises(HarnessError, match="no token of Azure was to be had") as refused:
        opened().answer(questions(1))
    assert "canary" not in str(refused.value)
    assert read_ledger(tmp_path / "cell.jsonl").spent_usd == 0


def test_vectors_come_by_deployment_too(server: AzureState, opened: Opened) -> None:
    rows = opened("m-embed").embed(["one", "two", "three"])
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    assert server.tokens["m-embed", "embedding tokens"] > 0


@pytest.mark.parametrize("path", ["", "/", "/openai/v1", "/openai/v1/"])
def test_the_path_of_the_api_may_be_given_or_not(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"https://res.openai.azure.com{path}")
    assert endpoint().url == "https://res.openai.azure.com/openai/v1"
    assert not endpoint().emulated


@pytest.mark.parametrize("url", ["", "http://res.openai.azure.com", "https://key@res.openai.azure.com"])
def test_an_endpoint_must_be_given_and_be_safe(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", url)
    with pytest.raises(UsageError, match="AZURE_OPENAI_ENDPOINT"):
        describe("m")


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"AZURE_OPENAI_HOSTING": None}, "AZURE_OPENAI_HOSTING is not set"),
        ({"AZURE_OPENAI_HOSTING": "standard"}, "such as standard:50"),
        ({"AZURE_OPENAI_HOSTING": "standard:0"}, "such as standard:50"),
        ({"AZURE_SUBSCRIPTION_ID": None, "AZURE_RESOURCE_GROUP": None}, "AZURE_SUBSCRIPTION_ID and AZURE_RESOURCE"),
        ({"AZURE_RESOURCE_GROUP": "a/../b"}, "characters that it cannot have"),
        ({"AZURE_MANAGEMENT_ENDPOINT": None}, "must both be this machine, or neither"),
        ({"AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com"}, "must both be this machine, or neither"),
    ],
)
def test_what_could_not_be_deployed_is_not_trained(
    server: AzureState, monkeypatch: pytest.MonkeyPatch, changed: dict[str, str | None], told: str
) -> None:
    assert "tune:hosted:choice" in offers(describe("m"))
    for name, value in changed.items():
        if value is None:
            monkeypatch.delenv(name)
        else:
            monkeypatch.setenv(name, value)
    card = describe("m")
    assert offers(card) == {"answer:choice", "answer:classification", "read:choice", "read:classification"}
    assert told in why_not(card, "tune:hosted:choice")


# -- training ----------------------------------------------------------------------------------------------


def test_it_trains_the_model_that_the_deployment_serves(server: AzureState, opened: Opened) -> None:
    session = trained(opened)
    (body,) = server.bodies
    assert body["model"] == "gpt-x-2025-01-01"
    assert "trainingType" not in body
    assert session.answer(questions(12)).chosen == [n % 4 for n in range(12)]
    (made,) = server.deployments.values()
    assert made["sku"] == {"name": "standard", "capacity": 50}
    assert made["properties"]["model"]["version"] == "1"


def test_the_kind_of_training_is_the_users(server: AzureState, opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_TRAINING_TYPE", "developerTier")
    trained(opened)
    assert server.bodies[0]["trainingType"] == "developerTier"


@pytest.mark.parametrize("fault", ["500", "drop-before", "drop-after", "truncated"])
def test_only_looking_which_model_it_is_leaves_no_doubt(server: AzureState, opened: Opened, fault: str) -> None:
    faults = [fault]
    server.faults = lambda method, path: faults.pop() if faults and path.endswith("/deployments/m") else None
    trained(opened)
    assert len(server.jobs) == 1


def test_a_deployment_that_is_not_there_is_trained_from_by_nobody(
    server: AzureState, opened: Opened, tmp_path: Path
) -> None:
    server.bases.pop("m")
    with pytest.raises(HarnessError, match="there is no deployment m"):
        trained(opened)
    assert server.jobs == {}
    assert read_ledger(tmp_path / "cell.jsonl").spent_usd == 0


def test_a_job_is_found_by_its_suffix_where_metadata_are_not_kept(server: AzureState, opened: Opened) -> None:
    server.forgets_metadata = True
    faults = ["drop-after"]
    posts = "/v1/fine_tuning/jobs"
    server.faults = lambda method, path: faults.pop() if faults and (method, path) == ("POST", posts) else None
    trained(opened)
    assert len(server.jobs) == 1


# -- deployments -------------------------------------------------------------------------------------------


def usd(server: AzureState) -> float:
    return server.usd(RATES) + server.hosting_s() / 3600 * USD_PER_HOUR


def test_what_is_deployed_goes_with_the_session_and_is_charged_by_the_clock(
    server: AzureState, opened: Opened, tmp_path: Path
) -> None:
    session = trained(opened)
    session.answer(questions(6))
    used = session.usage()
    session.close()
    assert server.deployments == {}
    assert sum(server.puts.values()) == server.most_at_once == 1
    found = read_ledger(tmp_path / "cell.jsonl")
    assert found.doubt_usd == 0
    assert usd(server) <= found.known_usd <= usd(server) + CLOCKS_S / 3600 * USD_PER_HOUR
    assert used.tokens == sum(count for sort, count in used.billed.items() if sort != HOSTING)
    assert used.billed[HOSTING] <= found.billed[HOSTING] + 1, "the time that it trained is not its"


def test_a_kept_adaptation_is_deployed_again_and_no_answer_is_paid_for_again(
    server: AzureState, opened: Opened, tmp_path: Path
) -> None:
    from harness.remote.orders import StillWaiting
    from harness_azure.backend import load

    session = trained(opened)
    first = session.answer(questions(4)).chosen
    session.save(tmp_path / "kept")
    session.close()
    paid, again = server.calls.total(), None
    rates = {**TUNED, HOSTING: A_MILLION_SECONDS}
    while again is None:
        purse = Purse(tmp_path / "cell.jsonl", rates, 100.0)
        with contextlib.suppress(StillWaiting):
            card = describe("m")
            again = load().open(card, kind="choice", labels=(), seed=0, artifact=tmp_path / "kept", purse=purse)
    assert again.answer(questions(4)).chosen == first
    assert server.calls.total() == paid
    again.close()
    assert (sum(server.puts.values()), server.most_at_once, server.deployments) == (2, 1, {})


@pytest.mark.parametrize("fault", ["500", "429", "429-after", "drop-before", "drop-after", "truncated"])
def test_faults_leave_one_deployment_and_in_the_end_none(
    server: AzureState, opened: Opened, tmp_path: Path, fault: str
) -> None:
    seen = random.Random(fault)
    server.faults = lambda method, path: fault if "/deployments/harness-" in path and seen.random() < 0.5 else None
    session = trained(opened)
    session.answer(questions(3))
    session.close()
    server.faults = lambda method, path: None
    session.close() if server.deployments else None
    assert server.deployments == {}
    assert sum(server.puts.values()) == server.most_at_once == 1
    found = read_ledger(tmp_path / "cell.jsonl")
    assert found.known_usd <= usd(server) + (CLOCKS_S + 20) / 3600 * USD_PER_HOUR
    assert usd(server) <= found.spent_usd + 1e-9


def test_a_deployment_is_not_known_everywhere_at_once(
    server: AzureState, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    import harness_azure.chat

    monkeypatch.setattr(harness_azure.chat, "KNOWN_SOON_S", 0.01)
    session = trained(opened)
    server.unknown = 2
    session.answer(questions(3))
    with pytest.raises(HarnessError, match="DeploymentNotFound"):
        opened("misspelt", file="other.jsonl").answer(questions(1))
    assert len([path for _, path in server.requests if path.endswith("completions")]) == 3 + 2 + 1


def test_one_that_fails_is_removed_and_told(server: AzureState, opened: Opened) -> None:
    server.fails = True
    with pytest.raises(HarnessError, match=r"deployment harness-cell-\w+ failed: Failed$"):
        trained(opened)
    assert server.deployments == {}


def test_a_redirect_is_not_followed_with_a_token(server: AzureState, opened: Opened) -> None:
    server.faults = lambda method, path: "redirect" if path.startswith("/subscriptions/") else None
    with pytest.raises(HarnessError, match="redirects elsewhere, which is not followed"):
        trained(opened)


def test_lists_go_on_at_the_same_host_only(server: AzureState, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness_azure.deployments import azure
    from tests.support.azure_server import AzureHandler

    server.bases |= {f"harness-{n}": ("x", "1") for n in range(5)}
    assert len(azure().labelled("harness-")) == 5
    real = AzureHandler._page

    def elsewhere(self: AzureHandler, query: dict[str, list[str]]) -> dict[str, Any]:
        return {**real(self, query), "nextLink": "http://127.0.0.2:9/subscriptions"}

    monkeypatch.setattr(AzureHandler, "_page", elsewhere)
    with pytest.raises(HarnessError, match="another host"):
        azure().labelled("harness-")


# -- whole runs --------------------------------------------------------------------------------------------

Ran = Callable[..., dict[str, Any]]


@pytest.fixture
def ran(server: AzureState, tiny: Path, tmp_path: Path) -> Ran:
    def run(**changes: Any) -> dict[str, Any]:
        asked: dict[str, Any] = {
            "strategies": ["hosted"],
            "backends": ["azure"],
            "models": ["azure:m"],
            "prices": prices(tmp_path),
            "allow_spend": True,
            "max_cost_usd": CAP_USD,
            "store": tmp_path / "store",
        }
        return dict(harness.run(tiny, **{**asked, **changes}).report)

    return run


def ledgers(store: Path) -> list[Any]:
    return [read_ledger(file) for file in (store / "paid").glob("*.jsonl")]


def command(tiny: Path, tmp_path: Path, *more: str) -> list[str]:
    program = [
        sys.executable,
        "-m",
        "harness",
        "run",
        "--task",
        str(tiny),
        "--strategy",
        "hosted",
        "--backend",
        "azure",
    ]
    program += ["--model", "azure:m", "--prices", str(prices(tmp_path)), "--store", str(tmp_path / "store")]
    return [*program, "--allow-spend", "--max-cost", "5", *more]


def test_a_run_is_one_table_with_money_and_hours_and_says_that_it_is_emulated(
    ran: Ran, server: AzureState, tmp_path: Path
) -> None:
    arms = ["base", "rag:retriever=bm25", "hosted", "hosted+rag:retriever=bm25:k=1:reading=1", "probe"]
    report = ran(strategies=arms, models=["azure:m", "azure:m-embed"])
    rows = {row["arm"]: row for row in report["table"]}
    assert len(rows) == 5
    for row in rows.values():
        assert any(note.startswith("emulated: answered by a stand-in at http://127.0.0.1") for note in row["notes"])
        assert row["measurements"]["accuracy"]["basis"] == "emulated"
    assert rows["hosted@azure:m"]["measurements"]["accuracy"]["value"] == 100.0
    assert server.deployments == {}
    assert sum(server.puts.values()) == 2
    known = sum(ledger.known_usd for ledger in ledgers(tmp_path / "store"))
    assert sum(ledger.doubt_usd for ledger in ledgers(tmp_path / "store")) == 0
    assert usd(server) <= known <= usd(server) + 2 * CLOCKS_S / 3600 * USD_PER_HOUR
    (leaving,) = report["run"]["leaving"]
    assert leaving["tokens"][HOSTING] > 0
    assert any("ft:m at 3.6 USD per hour of 2026-11-01" in told for told in leaving["prices"])
    before, keys = usd(server), len(server.calls)
    ran(strategies=arms, models=["azure:m", "azure:m-embed"])
    assert (usd(server), len(server.calls)) == (before, keys), "the same command pays for nothing again"


def test_without_the_price_of_an_hour_nothing_is_trained(ran: Ran, server: AzureState, tmp_path: Path) -> None:
    (without := tmp_path / "without").mkdir()
    report = ran(strategies=["base", "hosted"], prices=price_list(without))
    told = {cell["arm"]: (cell["status"], cell["reason"]) for cell in report["cells"]}
    assert told["base@azure:m"][0] == "done"
    assert told["hosted@azure:m"][0] == "skipped"
    assert "no price is known of an hour of ft:m" in told["hosted@azure:m"][1]
    assert server.jobs == {}


def up(server: AzureState, process: subprocess.Popen[str]) -> None:
    """Wait until the trained model is being asked."""
    while process.poll() is None and not any("completions" in path for _, path in server.requests):
        time.sleep(0.01)


def started(tiny: Path, tmp_path: Path, server: AzureState, *more: str) -> subprocess.Popen[str]:
    server.pause_s = 0.2
    # A shell that starts the tests in the background has its children ignore SIGINT.
    unignored = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command(tiny, tmp_path, *more), stderr=subprocess.PIPE, text=True, preexec_fn=unignored)
    up(server, process)
    assert len(server.deployments) == 1
    return process


def test_an_interrupted_run_leaves_no_deployment(ran: Ran, server: AzureState, tiny: Path, tmp_path: Path) -> None:
    process = started(tiny, tmp_path, server)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130
    assert server.deployments == {}
    assert "could not be removed" not in told
    (found,) = ledgers(tmp_path / "store")
    assert found.doubt_usd < 0.01, "the hours are settled; eight questions were on their way"
    server.pause_s = 0.0
    report = ran()
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    assert (len(server.jobs), sum(server.puts.values()), server.deployments) == (1, 2, {})
    (found,) = ledgers(tmp_path / "store")
    assert found.calls == len(found.answers), "no answer was paid for twice"
    hostings = 2
    assert server.calls.total() - (found.calls - hostings) <= sum(found.open.values()) <= 8


def test_a_killed_run_leaves_one_that_is_adopted(ran: Ran, server: AzureState, tiny: Path, tmp_path: Path) -> None:
    process = started(tiny, tmp_path, server)
    process.kill()
    process.communicate()
    assert len(server.deployments) == 1
    server.pause_s = 0.0
    report = ran()
    assert [cell["status"] for cell in report["cells"]] == ["done"]
    assert (len(server.jobs), sum(server.puts.values()), server.deployments) == (1, 1, {})
    (found,) = ledgers(tmp_path / "store")
    assert found.calls == len(found.answers), "no answer was paid for twice"
    assert usd(server) <= found.spent_usd + 1e-9
    assert found.known_usd <= usd(server) + CLOCKS_S / 3600 * USD_PER_HOUR


def test_what_a_killed_run_leaves_is_an_orphan_that_can_be_removed(
    ran: Ran, server: AzureState, tiny: Path, tmp_path: Path
) -> None:
    from harness.orphans import cancel, claims, labelled

    process = started(tiny, tmp_path, server)
    registry, store = load_registry(), tmp_path / "store"
    rows = [row for row in labelled(registry, store) if row["what"] == "deployment"]
    assert [(row["left"], row["state"]) for row in rows] == [(False, "Succeeded")], "a run uses it"
    process.kill()
    process.communicate()
    (row,) = [row for row in labelled(registry, store) if row["what"] == "deployment"]
    assert (row["backend"], row["left"], row["cell"]) == ("azure", True, claims(store)[row["label"]].file.stem)
    assert cancel(registry, row["label"], store).told == "removed"
    assert server.deployments == {}
    (found,) = ledgers(store)
    assert found.billed[HOSTING] >= 1
    assert [row for row in labelled(registry, store) if row["what"] == "deployment"] == []


def test_a_cell_that_is_ended_for_its_time_leaves_no_deployment(ran: Ran, server: AzureState, tmp_path: Path) -> None:
    """Its process is killed: the parent removes what it had."""

    def hold(method: str, path: str) -> None:
        server.pause_s = 60.0 if path.endswith("completions") else 0.0

    server.faults = hold
    report = ran(time_limit_s=10.0)
    assert [cell["status"] for cell in report["cells"]] == ["timeout"]
    assert (sum(server.puts.values()), server.deployments) == (1, {})
    (found,) = ledgers(tmp_path / "store")
    assert found.billed[HOSTING] >= 1


def test_an_error_while_it_is_asked_leaves_no_deployment(ran: Ran, server: AzureState) -> None:
    server.faults = lambda method, path: "quota" if path.endswith("completions") else None
    report = ran()
    assert [cell["status"] for cell in report["cells"]] == ["failed"]
    assert (sum(server.puts.values()), server.deployments) == (1, {})


@pytest.mark.slow
def test_no_byte_that_is_kept_or_shown_holds_a_secret(
    ran: Ran, server: AzureState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Once by a login and once by a key; debug logs of the SDK on, the service telling them back."""
    monkeypatch.setenv("OPENAI_LOG", "debug")
    monkeypatch.setenv("AZURE_LOG_LEVEL", "debug")
    server.echoes_key = True
    for secret in (None, CANARY):
        if secret:
            monkeypatch.setenv("AZURE_OPENAI_API_KEY", secret)
        faults = ["500", "429-after", "drop-after", "truncated"] * 2
        server.faults = lambda method, path, faults=faults: (  # type: ignore[misc]
            faults.pop() if faults and path.endswith("completions") else None
        )
        for fatal in ("quota", None):
            report = ran(strategies=["base", "hosted"], keep="all", store=tmp_path / f"store{bool(secret)}")
            assert "canary" not in str(report)
            server.faults = lambda method, path, fatal=fatal: (  # type: ignore[misc]
                fatal if path.endswith("completions") else None
            )
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert len(kept) > 10
    holding = [file for file in kept if b"canary" in file.read_bytes()]
    assert holding == []
    assert any(b"[TOKEN]" in file.read_bytes() for file in kept)
    out, error = capfd.readouterr()
    assert "canary" not in out + error
    assert LOGIN_HEADER not in out + error


class TestAzure(BackendKit):
    spec: ClassVar[BackendSpec] = next(iter(harness_backends()))
    seeded = False

    @pytest.fixture(autouse=True)
    def _served(self, server: AzureState, tmp_path: Path) -> None:
        type(self).run_options = {"prices": prices(tmp_path), "allow_spend": True, "max_cost_usd": CAP_USD}

    @pytest.fixture(params=["m", "m-embed"])
    def model(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)


def test_importing_the_plugin_imports_no_sdk() -> None:
    look = (
        "import sys, harness_azure, harness_azure.capabilities; list(harness_azure.harness_backends());"
        "print([name for name in ('openai', 'azure.identity', 'azure.core', 'msal', 'httpx2') if name in sys.modules])"
    )
    environment = {**os.environ, "AZURE_OPENAI_ENDPOINT": "https://res.openai.azure.com"}
    shown = subprocess.run([sys.executable, "-c", look], check=True, capture_output=True, text=True, env=environment)
    assert shown.stdout.strip() == "[]"
