"""What may leave this machine: told before it does, and skipped with the reason where it may not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harness import api
from harness.errors import UsageError
from harness.plan import Plan
from harness.plugin import BackendSpec, ModelCard, hookimpl
from harness.purses import Purses
from harness.registry import load_registry
from harness.remote.endpoint import Endpoint
from harness.remote.hosting import HOSTING
from harness.remote.purse import Purse
from harness.remote.service import Notice, Service
from harness.request import Asked, Request
from harness.spending import leaving
from harness.store import Store
from harness.testing.fake import FAKE_CAPABILITIES, fake_spec
from harness.types import Status
from tests.support.services import price_list

AWAY = Endpoint("https://service.example/v1", "service.example")


def served_spec(**changes: Any) -> BackendSpec:
    told: dict[str, Any] = {
        "endpoint": lambda: AWAY,
        "secrets": ("ANY_KEY",),
        "why_not": lambda where: None,
        "tuned": lambda model: f"ft:{model}",
        "notices": lambda card, where, tunes, today: [Notice(f"{card.id} ends some day", date(2027, 1, 6))],
    }
    return fake_spec(
        "served",
        default_model=None,
        describe=lambda model: ModelCard(model, "chat", "1" * 64, AWAY.url, None, None, None, None),
        offers=lambda card: FAKE_CAPABILITIES | {"tune:hosted:choice"},
        service=Service(**{**told, **changes}),
    )


class Offers:
    def __init__(self, spec: BackendSpec) -> None:
        self.spec = spec

    @hookimpl
    def harness_backends(self) -> Iterable[BackendSpec]:
        return [self.spec]


Planned = Callable[..., Plan]


@pytest.fixture
def planned(tiny: Path, tmp_path: Path) -> Planned:
    """Plans the tiny task on a service that nothing asks."""

    def plan(task: Path = tiny, spec: BackendSpec | None = None, **changes: Any) -> Plan:
        asked: dict[str, Any] = {
            "strategies": ("base",),
            "backends": ("served",),
            "models": ("served:m",),
            "allow_spend": True,
            "max_cost_usd": 1.0,
            "asked": Asked(prices=price_list(tmp_path)),
            "store": tmp_path / "store",
        }
        registry = load_registry([("served", Offers(spec or served_spec()))])
        return api.plan(Request(str(task), **{**asked, **changes}), registry)

    return plan


def reason(plan: Plan) -> str | None:
    cell = plan.cells[0].cell
    assert (cell.status is Status.SKIPPED) == (cell.reason is not None)
    return cell.reason


def test_it_says_what_leaves_how_much_and_where_to(planned: Planned) -> None:
    plan = planned(strategies=("base", "rag:retriever=bm25", "hosted"))
    assert [cell.cell.status for cell in plan.cells] == [Status.PLANNED] * 3
    (sent,) = leaving(plan)
    assert (sent.endpoint, sent.emulated, sent.documents) == (AWAY.url, False, 6)
    assert sent.sets["test"] == 4
    assert sent.sets["train"] == 12
    assert sent.tokens["training tokens"] > 0
    assert sent.usd == pytest.approx(sum(cell.served.usd or 0 for cell in plan.cells if cell.served))
    assert sent.told.startswith(f"sends to {AWAY.url}: questions of")
    assert sent.notices == ("m ends some day",)
    assert any("2026-11-01" in price for price in sent.prices), "a price has its date"


def test_what_is_tuned_is_priced_as_that(planned: Planned) -> None:
    base, hosted = planned(strategies=("base", "hosted")).cells
    assert base.served is not None
    assert hosted.served is not None
    assert (base.served.item, hosted.served.item) == ("m", "ft:m")
    assert (base.served.rates["input tokens"], hosted.served.rates["input tokens"]) == (1.0, 2.0)
    assert hosted.served.rates["training tokens"] == 10.0


def test_hours_of_a_deployment_are_told_and_priced(planned: Planned, tmp_path: Path) -> None:
    spec = served_spec(deployments="a.plugin:deployments")
    base, hosted = planned(spec=spec, strategies=("base", "hosted")).cells
    assert (base.cell.status, hosted.cell.status) == (Status.PLANNED, Status.SKIPPED)
    assert "no price is known of an hour of ft:m" in (hosted.cell.reason or "")
    hour = '[[price]]\nprovider = "any"\nregion = "any"\nitem = "ft:m"\nunit = "hour"\nusd = 3.6\n'
    file = tmp_path / "hours.toml"
    file.write_text(f'{price_list(tmp_path).read_text()}{hour}valid_from = 2026-11-01\nsource = "made up"\n')
    plan = planned(spec=spec, strategies=("base", "hosted"), asked=Asked(prices=file))
    base, hosted = plan.cells
    assert base.served is not None
    assert hosted.served is not None
    assert HOSTING not in base.served.rates
    assert hosted.served.rates[HOSTING] == pytest.approx(1000.0), "0.001 USD a second"
    (sent,) = leaving(plan)
    assert sent.tokens[HOSTING] == pytest.approx(900, abs=60)
    assert "0.25 hours of hosting" in sent.told
    assert sent.usd == pytest.approx(0.9, abs=0.1)
    assert hosted.cell.estimate is not None
    assert hosted.cell.estimate.billed is not None
    tokens = [count for sort, count in hosted.cell.estimate.billed.items() if sort != HOSTING]
    assert hosted.cell.estimate.tokens == sum(tokens)


@pytest.mark.parametrize("changes", [{"allow_spend": False}, {"max_cost_usd": None}])
def test_nothing_is_asked_unless_that_is_allowed(planned: Planned, changes: dict[str, Any]) -> None:
    plan = planned(**changes)
    assert "--allow-spend and --max-cost" in (reason(plan) or "")
    assert leaving(plan) == []


def test_an_unknown_price_is_not_nothing(planned: Planned) -> None:
    told = reason(planned(models=("served:other",))) or ""
    assert "no price is known of 1M input tokens of other and 1M output tokens of other" in told


def test_a_service_that_is_not_ready_says_why(planned: Planned) -> None:
    assert reason(planned(spec=served_spec(why_not=lambda where: "ANY_KEY is not set"))) == "ANY_KEY is not set"

    def refused() -> Endpoint:
        raise UsageError("ANY_URL is no URL")

    assert reason(planned(spec=served_spec(endpoint=refused))) == "ANY_URL is no URL"


def test_personal_data_stays_here_unless_it_may_leave(planned: Planned, tiny: Path) -> None:
    file = tiny.parent / "train.jsonl"
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows[0]["question"] = "is anna.schmidt@firma-schmidt.de awake?"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = reason(planned()) or ""
    assert "e-mail addresses" in told
    assert "--allow-personal" in told
    assert "schmidt" not in told, "the data itself is never told"
    assert reason(planned(allow_personal=True)) is None


@pytest.mark.slow
def test_a_service_takes_part_only_if_it_is_named(planned: Planned) -> None:
    assert "served" not in {cell.cell.arm.backend for cell in planned(backends=()).cells}


def test_its_model_is_named_and_a_name_without_a_backend_is_sent_nowhere(planned: Planned) -> None:
    assert reason(planned(models=())) == "no model is named for it: --model served:NAME"
    assert reason(planned(models=("m",))) == "no model is named for it: --model served:NAME"


def test_reading_passages_costs_more(planned: Planned) -> None:
    base, one, auto = planned(strategies=("base", "rag:retriever=bm25:k=1:reading=0.5", "rag:retriever=bm25")).cells
    usd = [cell.served.usd for cell in (base, one, auto) if cell.served and cell.served.usd is not None]
    assert len(usd) == 3
    assert usd == sorted(usd)
    assert usd[0] < usd[1] < usd[2]


def rented_spec() -> BackendSpec:
    return served_spec(rented=lambda model: "ml.x", deployments="somewhere:deployments")


def test_what_is_rented_is_charged_by_the_hour_alone(planned: Planned, tmp_path: Path) -> None:
    assert reason(planned(spec=rented_spec())) == (
        "no price is known of an hour of ml.x, so --max-cost cannot hold: give it with --prices"
    )
    prices = tmp_path / "hours.toml"
    prices.write_text(
        '[[price]]\nprovider = "a"\nregion = "any"\nitem = "ml.x"\nunit = "hour"\nusd = 0.5\n'
        'valid_from = 2026-11-01\nsource = "made up"\n'
    )
    plan = planned(spec=rented_spec(), asked=Asked(prices=prices), max_cost_usd=5.0)
    (cell,) = plan.cells
    assert reason(plan) is None
    assert cell.served is not None
    assert cell.cell.estimate is not None
    billed = cell.cell.estimate.billed or {}
    assert billed["input tokens"] > 0
    assert billed["hosting seconds"] > 900
    assert cell.served.rates == {"input tokens": 0, "output tokens": 0, "hosting seconds": pytest.approx(0.5e6 / 3600)}
    assert cell.served.usd == pytest.approx(billed["hosting seconds"] / 3600 * 0.5)
    assert "hours of hosting" in leaving(plan)[0].told


def test_trials_deploy_nothing(planned: Planned) -> None:
    """Each would end the deployment of the one before it, and wait for its own."""
    for spec in (rented_spec(), served_spec(deployments="somewhere:deployments")):
        base, searched, tuned = planned(
            spec=spec, strategies=("base", "rag:retriever=bm25", "hosted+rag:retriever=bm25"), trials=2
        ).cells
        assert "trial" not in (base.cell.reason or "")
        assert ("each trial would deploy it anew" in (searched.cell.reason or "")) == (
            spec.service.rented("m") == "ml.x"
        )
        assert "each trial would deploy it anew" in (tuned.cell.reason or "")


def test_a_cap_is_on_all_that_a_cell_ever_spent(planned: Planned, tmp_path: Path) -> None:
    plan, store = planned(), Store(tmp_path / "store")
    cell = plan.cells[0]
    purse = Purse(store.root / "paid" / f"{cell.cell.key}.jsonl", {"input tokens": 1.0}, 1.0)
    purse.intend("a", {"input tokens": 300_000})
    purse.paid("a", None, {"input tokens": 250_000}, 0.0)
    purses = Purses(store, plan)
    assert purses.spent(cell) == pytest.approx(0.25)
    assert purses.begin(cell, 0.75)["spending"]["most_usd"] == pytest.approx(1.0)
    purse.intend("b", {"input tokens": 100_000})
    assert purses.end(cell) == pytest.approx(0.1), "a doubt counts"
    assert purses.end(cell) == 0


def test_afresh_pays_again_and_forgets_nothing(planned: Planned, tmp_path: Path) -> None:
    plan, store = planned(fresh=True), Store(tmp_path / "store")
    cell = plan.cells[0]
    file = store.root / "paid" / f"{cell.cell.key}.jsonl"
    Purse(file, {}, 1.0).close()
    purses = Purses(store, plan)
    purses.begin(cell, 1.0)
    assert not file.exists()
    assert [path.name for path in file.parent.iterdir()] == [f"{cell.cell.key}.1.old"]
    Purse(file, {}, 1.0).close()
    purses.begin(cell, 1.0)
    assert file.exists(), "once for a run"
