"""Prices of accelerators, CPUs and hosted models, each with its date and source."""

from collections.abc import Iterable
from pathlib import Path

from harness.plugin import PriceList, hookimpl


@hookimpl
def harness_prices() -> Iterable[PriceList]:
    return [PriceList("harness", Path(__file__).with_name("prices.toml"))]
