"""Whether cells may be moved to hired machines, and what the plan then says; nothing is hired here."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import harness.hiring
from harness.api import plan
from harness.errors import UsageError
from harness.plan import Plan
from harness.plugin import MachinesSpec, hookimpl
from harness.registry import load_registry
from harness.remote.endpoint import Endpoint
from harness.remote.machines import Flavor
from harness.request import Asked, Request
from harness.spending import leaving
from harness.testing import FakePlugin, fake_spec
from harness.types import Status

AWAY = Endpoint("https://machines.example", "machines.example")


class Yard:
    """A plugin with machines."""

    def __init__(self, **changes: Any) -> None:
        self.changes = changes

    @hookimpl
    def harness_machines(self) -> Iterable[MachinesSpec]:
        fields: dict[str, Any] = {
            "name": "yard",
            "summary": "machines",
            "flavor": lambda name: Flavor(name, "NVIDIA L4" if name == "l4" else None),
            "load": "nowhere:machines",
            "endpoint": lambda: AWAY,
            "secrets": ("YARD_KEY",),
            "why_not": lambda where: None,
        }
        return [MachinesSpec(**{**fields, **self.changes})]


PRICE = (
    '[[price]]\nprovider = "{}"\nregion = "any"\nitem = "{}"\nunit = "hour"\nusd = 3.6\n'
    'valid_from = 2026-11-01\nsource = "x"\n'
)
Planned = Callable[..., Plan]


@pytest.fixture
def planned(tiny: Path, tmp_path: Path) -> Planned:
    def made(on: str | None = "yard:small", yard: Yard | None = None, price: str = "yard small", **asked: Any) -> Plan:
        prices = tmp_path / "prices.toml"
        prices.write_text("".join(PRICE.format(*each.split()) for each in (price, "yard l4")))
        fields: dict[str, Any] = {
            "task": str(tiny),
            "strategies": ("majority", "base", "full"),
            "backends": ("fake",),
            "on": on,
            "allow_spend": True,
            "max_cost_usd": 5.0,
            "store": tmp_path / "store",
            "asked": Asked(prices=prices),
        }
        registry = load_registry([("yard", yard or Yard()), ("fake", FakePlugin(fake_spec()))])
        return plan(Request(**{**fields, **asked}), registry)

    return made


def reasons(made: Plan) -> set[str | None]:
    return {each.cell.reason for each in made.cells if each.backend is not None}


def test_a_moved_cell_is_the_same_cell(planned: Planned) -> None:
    here, there = planned(on=None), planned()
    assert [each.cell.key for each in here.cells] == [each.cell.key for each in there.cells]
    assert [each.place is not None for each in there.cells] == [False, True, True]
    assert reasons(there) == {None}


def test_another_kind_of_device_makes_another_cell(planned: Planned) -> None:
    here, there = planned(on=None), planned(on="yard:l4")
    assert [a.cell.key == b.cell.key for a, b in zip(here.cells, there.cells, strict=True)] == [True, False, False]
    assert {each.device for each in there.cells if each.place} == {"cuda"}


def test_what_it_may_cost_is_the_hour_of_its_flavour(planned: Planned) -> None:
    made = planned()
    for each in made.cells:
        if each.hired is not None:
            assert each.cell.estimate is not None
            assert each.cell.estimate.billed == {"machine seconds": 183}
            assert each.hired.usd == pytest.approx(0.183)
    (sent,) = leaving(made)
    assert sent.usd == pytest.approx(0.366)
    assert "hires yard:small at https://machines.example for each of 2 cells" in sent.told
    assert "train 12, validation 4" in sent.told
    assert "6 documents" in sent.told


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"allow_spend": False}, "allow it with --allow-spend and --max-cost"),
        ({"max_cost_usd": None}, "allow it with --allow-spend and --max-cost"),
        ({"price": "other small"}, "no price is known of an hour of small of yard"),
        ({"yard": Yard(why_not=lambda where: "YARD_KEY is not set")}, "YARD_KEY is not set"),
        ({"yard": Yard(requires=("no_such_module",), extra="yard")}, r"pip install 'adapt-harness\[yard\]'"),
    ],
)
def test_it_is_skipped_with_the_reason(planned: Planned, asked: dict[str, Any], why: str) -> None:
    made = planned(**asked)
    (reason,) = reasons(made)
    assert re.search(why, str(reason))
    assert not leaving(made)
    majority = made.cells[0]
    assert majority.cell.status is Status.PLANNED, "what runs no model stays here"


def test_what_is_offered_is_told_with_what_it_needs() -> None:
    yards = [Yard(), Yard(name="poor", why_not=lambda where: "POOR_KEY is not set")]
    registry = load_registry([("yard", yards[0]), ("poor", yards[1])])
    found = {row["name"]: row["state"] for row in harness.hiring.offered(registry)}
    assert (found["yard"], found["poor"]) == ("ready", "POOR_KEY is not set")


def test_an_endpoint_that_may_not_be_used_is_told(planned: Planned) -> None:
    def refuses() -> Endpoint:
        raise UsageError("YARD_URL: machines.example must be reached by https")

    assert reasons(planned(yard=Yard(endpoint=refuses))) == {"YARD_URL: machines.example must be reached by https"}


@pytest.mark.parametrize("on", ["yard", "yard:", ":small", "nobody:small"])
def test_a_machine_that_there_is_not_is_no_plan(planned: Planned, on: str) -> None:
    with pytest.raises(UsageError):
        planned(on=on)


def test_personal_data_stays_unless_it_is_allowed(planned: Planned, tiny: Path) -> None:
    file = tiny.parent / "train.jsonl"
    file.write_text(file.read_text().replace("when are owls active", "when is ann.smith@gmail.com active"))
    assert all("--allow-personal" in (reason or "") for reason in reasons(planned()))
    assert reasons(planned(allow_personal=True)) == {None}


def test_a_large_model_without_a_name_is_not_sent(
    planned: Planned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"x" * 2_000_000)
    monkeypatch.setattr(harness.hiring, "MODEL_BYTES", 1_000_000)
    found = reasons(planned(models=(f"fake:{folder}",)))
    assert all("put it on the hub" in (reason or "") for reason in found)


def test_a_library_that_only_the_machine_needs_is_not_asked_for_here(planned: Planned, tmp_path: Path) -> None:
    spec = replace(fake_spec("absent"), requires=("no_such_framework",), extra="absent")
    registry = load_registry([("yard", Yard()), ("fake", FakePlugin(spec))])
    made = planned()
    request = replace(made.request, backends=("absent",))
    assert reasons(plan(request, registry)) == {None}
    assert "no_such_framework" in str(reasons(plan(replace(request, on=None), registry)))
