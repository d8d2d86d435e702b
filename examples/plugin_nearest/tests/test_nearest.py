import harness_nearest

from harness.testing import StrategyKit


class TestNearest(StrategyKit):
    spec = next(iter(harness_nearest.harness_strategies()))
    settings = "k=3"
