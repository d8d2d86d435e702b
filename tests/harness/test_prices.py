"""Prices are dated, sourced and found by item; what is not known is unknown, and a faulty list says where."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from harness.contracts import PriceList
from harness.errors import UsageError
from harness.machine import Machine
from harness.prices import Accelerator, Price, PriceBook, Tariff, read_book, tariff
from harness.prices.book import LAYER_S, Pace

GPU = Accelerator("NVIDIA X1", 100e12, 16e9, 0.1, 0.2, 0.4, "a data sheet", ("Quadro X1",))
LIST = """
[[accelerator]]
name = "NVIDIA X1"
peak_tflops = 100
memory_gb = 16
utilisation_low = 0.1
utilisation = 0.2
utilisation_high = 0.4
source = "a data sheet"
[[price]]
provider = "acme"
region = "moon"
item = "NVIDIA X1"
unit = "hour"
usd = 2.0
valid_from = 2026-01-01
source = "https://example.org"
"""


def price(
    usd: float, seen: str = "2026-01-01", item: str = "NVIDIA X1", provider: str = "acme", own: bool = False
) -> Price:
    return Price(provider, "moon", item, "hour", usd, seen, "somewhere", own=own)


def book(*prices: Price) -> PriceBook:
    return PriceBook(prices, (GPU,))


def test_the_last_seen_price_holds_then_the_lowest_and_the_users_own_before_all() -> None:
    old, dear, cheap = price(1.0, "2025-01-01"), price(3.0), price(2.0)
    assert book(old, dear, cheap).price("nvidia-x1", "hour") == cheap
    own = price(9.0, "2020-01-01", own=True)
    assert book(old, cheap, own).price("NVIDIA X1", "hour") == own
    assert book(cheap).price("NVIDIA X1", "month") is None
    assert book(cheap).price("NVIDIA X1", "hour", "other") is None


def test_a_price_is_old_after_half_a_year() -> None:
    found = price(1.0, "2026-01-01")
    assert found.warning(date(2026, 6, 30)) is None
    assert "181 days ago" in (found.warning(date(2026, 7, 1)) or "")


@pytest.mark.parametrize("name", ["NVIDIA X1", "x1", "quadro x1", "nvidia-x1"])
def test_an_accelerator_is_found_by_any_of_its_names(name: str) -> None:
    assert book().accelerator(name) == GPU


def test_an_unknown_accelerator_or_provider_is_told_with_what_was_possible() -> None:
    with pytest.raises(UsageError, match="unknown accelerator 'X2'"):
        tariff(book(), "X2")
    with pytest.raises(UsageError, match="unknown provider 'acne'; did you mean 'acme'"):
        tariff(book(price(1.0)), "acne/X1")


def test_hours_are_flops_over_what_is_reached_of_the_peak() -> None:
    """An hour at 20 % of 100 TFLOP/s is 7.2e16 FLOPs; at 40 % it takes half as long."""
    assert GPU.hours(7.2e16) == pytest.approx(1.0)
    assert GPU.hours(7.2e16, pace=Pace.FAST) == pytest.approx(0.5)
    assert GPU.hours(7.2e16, pace=Pace.SLOW) == pytest.approx(2.0)
    found = Tariff(GPU, book(price(2.0)))
    assert found.projected_usd(7.2e16) == pytest.approx(2.0)


def test_what_is_small_waits_for_its_layers() -> None:
    layers = 10_000_000
    assert GPU.hours(7.2e16, layers) == pytest.approx(layers * LAYER_S[Pace.LIKELY] / 3600)
    assert GPU.hours(7.2e16, 10) == GPU.hours(7.2e16), "of much arithmetic only that is charged"
    assert GPU.hours(0.0, layers, Pace.FAST) < GPU.hours(0.0, layers) < GPU.hours(0.0, layers, Pace.SLOW)


def test_what_has_no_price_is_unknown_and_never_free() -> None:
    found = Tariff(GPU, book())
    assert found.projected_usd(1e18) is None
    assert found.cpu_usd(3600) is None
    assert found.gpu_usd(3600, "NVIDIA X1") is None
    assert found.gpu_usd(3600, "never heard of") is None
    assert found.machine_usd(3600, "cuda", Machine(None, 2)) is None
    assert [line for line in found.warnings(date(2026, 1, 1)) if "no price of an hour" in line] == found.warnings(
        date(2026, 1, 1)
    )


def test_a_machine_without_a_gpu_is_its_cores() -> None:
    found = Tariff(GPU, book(price(0.05, item="vCPU"), price(2.0)))
    assert found.machine_usd(3600, "cpu", Machine(None, 4)) == pytest.approx(0.2)
    assert found.machine_usd(1800, "cuda", Machine("NVIDIA X1", 4)) == pytest.approx(1.0)


def test_a_tariff_survives_the_store() -> None:
    found = Tariff(GPU, book(price(1.0)), "acme")
    assert Tariff.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_a_list_is_read_and_the_users_own_is_marked(tmp_path: Path) -> None:
    theirs, own = tmp_path / "theirs.toml", tmp_path / "own.toml"
    theirs.write_text(LIST)
    own.write_text(LIST.replace("usd = 2.0", "usd = 0").replace('"acme"', '"cellar"'))
    found = read_book([PriceList("theirs", theirs)], own)
    assert [(each.provider, each.usd, each.own) for each in found.prices] == [
        ("acme", 2.0, False),
        ("cellar", 0.0, True),
    ]
    chosen = tariff(found)
    assert chosen is not None
    assert chosen.gpu.name == "NVIDIA X1", "where the default one is not known, the first that is"
    assert chosen.projected_usd(7.2e16) == 0, "what its owner calls free is free"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("usd = 2.0", 'usd = "2"', "[[price]] 1: usd '2' must be a number"),
        ("usd = 2.0", "usd = -1", "[[price]] 1: usd -1 must be a number from 0"),
        ("usd = 2.0", "usd = nan", "[[price]] 1: usd nan must be a number"),
        ("usd = 2.0", "usd = true", "[[price]] 1: usd True must be a number"),
        ('source = "https://example.org"', "", "[[price]] 1: lacks source"),
        ('region = "moon"', 'region = "moon"\nprise = 1', "[[price]] 1: has prise, which it cannot have"),
        ("valid_from = 2026-01-01", 'valid_from = "soon"', "valid_from 'soon' must be a date"),
        ("utilisation_low = 0.1", "utilisation_low = 0.3", "must not fall"),
        ("utilisation = 0.2", "utilisation = 2", "utilisation 2 must be a number from 0.001 to 1"),
        ("[[price]]", "[price]", "'price' is neither [[price]] nor [[accelerator]]"),
        ("[[price]]", "[[prices]]", "'prices' is neither [[price]] nor [[accelerator]]"),
        ("[[price]]", "[[price", "not TOML"),
    ],
)
def test_a_faulty_list_says_where(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "prices.toml"
    file.write_text(LIST.replace(old, new))
    with pytest.raises(UsageError) as error:
        read_book([], file)
    assert told in str(error.value)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value).split("not TOML")[0]
