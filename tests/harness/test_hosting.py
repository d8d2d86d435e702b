"""Deployments that are charged by the hour: rented once, charged by the clock, removed whatever happens. No network."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harness.errors import HarnessError
from harness.remote.counts import Counts
from harness.remote.faults import Doubtful, Refused
from harness.remote.hosted import DOUBT_S
from harness.remote.hosting import HOSTING, MOST_S, START_S, Deployment, Hosting, Stage
from harness.remote.orders import Pending
from harness.remote.purse import CapReached, Purse, read_ledger

USD_PER_HOUR = 3.6
RATES = {HOSTING: USD_PER_HOUR * 1e6 / 3600}


@dataclass
class Landlord:
    """A service with a clock of its own: what it hosts, since when, and how long each was up."""

    now: float = 1000.0
    looks: int = 2
    """Until it answers."""
    lingers: int = 0
    """Looks at one that is removed."""
    faults: Callable[[str], Exception | None] = lambda verb: None
    lost: bool = False
    """Whether answers to `start` are lost, the deployment made."""
    fails: bool = False
    there: dict[str, tuple[float, int, Stage]] = field(default_factory=dict)
    up_s: list[float] = field(default_factory=list)
    starts: int = 0

    def _fault(self, verb: str) -> None:
        self.now += 1.0
        if (error := self.faults(verb)) is not None:
            raise error

    def start(self, label: str, model: str) -> Deployment:
        self._fault("start")
        if label in self.there:
            raise Doubtful("taken")
        self.starts += 1
        self.there[label] = (self.now, 0, Stage.STARTING)
        if self.lost:
            raise Doubtful("no answer")
        return self._shown(label)

    def look(self, label: str) -> Deployment | None:
        self._fault("look")
        if label not in self.there:
            return None
        since, looks, stage = self.there[label]
        looks += 1
        if stage is Stage.STOPPING and looks > self.lingers:
            del self.there[label]
            return None
        if stage is Stage.STARTING and looks >= self.looks:
            stage = Stage.FAILED if self.fails else Stage.READY
        self.there[label] = (since, looks, stage)
        return self._shown(label)

    def stop(self, label: str) -> None:
        self._fault("stop")
        if label in self.there:
            since, _, _ = self.there[label]
            self.up_s.append(self.now - since)
            self.there[label] = (since, 0, Stage.STOPPING)

    def labelled(self, prefix: str) -> Sequence[Deployment]:
        return [self._shown(label) for label in self.there if label.startswith(prefix)]

    def _shown(self, label: str) -> Deployment:
        stage = self.there[label][2]
        return Deployment(label, label, stage, f"told {stage}")


Opened = Callable[..., Hosting]


@pytest.fixture
def landlord() -> Landlord:
    return Landlord()


@pytest.fixture
def opened(tmp_path: Path, landlord: Landlord) -> Opened:
    def opens(most_usd: float = 100.0) -> Hosting:
        def sleep(seconds: float) -> None:
            landlord.now += seconds

        purse = Purse(tmp_path / "cell.jsonl", RATES, most_usd)
        return Hosting(landlord, purse, clock=lambda: landlord.now, sleep=sleep)

    return opens


def ready(opened: Opened, model: str = "tuned") -> str:
    """By a new process for every look, as a cell does that waits."""
    for _ in range(50):
        found = opened().go_on(model)
        if isinstance(found, str):
            return found
    raise AssertionError("it never answers")


def ledger(tmp_path: Path):  # type: ignore[no-untyped-def]
    return read_ledger(tmp_path / "cell.jsonl")


def test_it_is_rented_once_waited_for_and_charged_by_the_clock(
    opened: Opened, landlord: Landlord, tmp_path: Path
) -> None:
    assert isinstance(opened().go_on("tuned"), Pending)
    assert ledger(tmp_path).doubt_usd == pytest.approx(MOST_S / 3600 * USD_PER_HOUR)
    name = ready(opened)
    assert opened().go_on("tuned") == name
    landlord.now += 600
    hosting = opened()
    assert hosting.is_up
    assert hosting.stop()
    assert (landlord.starts, landlord.there) == (1, {})
    found = ledger(tmp_path)
    assert found.doubt_usd == 0
    (up_s,) = landlord.up_s
    assert up_s <= found.billed[HOSTING] <= up_s + 5, "rather a little too much than too little"
    assert found.known_usd == pytest.approx(found.billed[HOSTING] / 3600 * USD_PER_HOUR)
    assert opened().stop(), "there is nothing left to remove"
    assert ledger(tmp_path).known_usd == found.known_usd


def test_the_same_model_has_the_same_name_when_it_is_rented_again(opened: Opened, landlord: Landlord) -> None:
    first = ready(opened)
    opened().stop()
    assert ready(opened) == first
    assert landlord.starts == 2
    opened().stop()
    assert ready(opened, "another") != first


def test_an_answer_that_is_lost_orders_nothing_again(opened: Opened, landlord: Landlord, tmp_path: Path) -> None:
    landlord.lost = True
    ready(opened)
    assert landlord.starts == 1
    assert opened().stop()
    assert landlord.there == {}


def test_what_nobody_finds_is_ordered_again_by_the_same_label(
    opened: Opened, landlord: Landlord, tmp_path: Path
) -> None:
    landlord.faults = lambda verb: Doubtful("no answer") if verb == "start" else None
    assert isinstance(opened().go_on("tuned"), Pending)
    once = ledger(tmp_path).doubt_usd
    assert isinstance(opened().go_on("tuned"), Pending)
    assert ledger(tmp_path).doubt_usd == once > 0
    assert not opened().stop(), "it may still come"
    landlord.faults = lambda verb: None
    ready(opened)
    assert landlord.starts == 1
    assert opened().stop()
    assert ledger(tmp_path).doubt_usd == 0


def test_a_doubt_that_is_old_is_none(opened: Opened, landlord: Landlord, tmp_path: Path) -> None:
    landlord.faults = lambda verb: Doubtful("no answer") if verb == "start" else None
    opened().go_on("tuned")
    landlord.now += DOUBT_S + 86400
    landlord.faults = lambda verb: None
    ready(opened)
    opened().stop()
    found = ledger(tmp_path)
    assert found.doubt_usd == 0
    assert found.billed[HOSTING] < 100, "the day on which there was none costs nothing"


@pytest.mark.parametrize(("retry_s", "raises"), [(None, True), (3.0, False)])
def test_a_refusal_costs_nothing(
    opened: Opened, landlord: Landlord, tmp_path: Path, retry_s: float | None, raises: bool
) -> None:
    landlord.faults = lambda verb: Refused("no capacity", retry_s)
    if raises:
        with pytest.raises(Refused):
            opened().go_on("tuned")
    else:
        assert opened().go_on("tuned") == Pending("no capacity", 3.0)
    assert ledger(tmp_path).spent_usd == 0
    landlord.faults = lambda verb: None
    ready(opened)
    assert landlord.starts == 1


def test_one_that_fails_is_removed(opened: Opened, landlord: Landlord) -> None:
    landlord.fails = True
    with pytest.raises(HarnessError, match=r"failed: told failed$"):
        ready(opened)
    assert landlord.there == {}


def test_one_that_was_removed_elsewhere_is_charged_and_rented_again(
    opened: Opened, landlord: Landlord, tmp_path: Path
) -> None:
    ready(opened)
    landlord.there.clear()
    landlord.now += 1000
    ready(opened)
    assert landlord.starts == 2
    assert ledger(tmp_path).billed[HOSTING] >= 1000


def test_it_is_not_up_for_longer_than_was_said(opened: Opened, landlord: Landlord) -> None:
    ready(opened)
    hosting = opened()
    hosting.check()
    landlord.now += MOST_S
    with pytest.raises(CapReached, match="2 hours at most"):
        hosting.check()
    assert hosting.stop()


def test_a_small_cap_makes_it_short_and_a_smaller_one_forbids_it(
    opened: Opened, landlord: Landlord, tmp_path: Path
) -> None:
    with pytest.raises(CapReached, match="--max-cost"):
        opened(most_usd=START_S / 3600 * USD_PER_HOUR - 0.01).go_on("tuned")
    assert landlord.starts == 0
    opened(most_usd=USD_PER_HOUR).go_on("tuned")
    assert ledger(tmp_path).doubt_usd == pytest.approx(USD_PER_HOUR / 2)


@pytest.mark.parametrize("lingers", [0, 3, 10**6])
def test_removal_is_waited_for_and_taken_up_again(
    opened: Opened, landlord: Landlord, tmp_path: Path, lingers: int
) -> None:
    landlord.lingers = lingers
    ready(opened)
    assert opened().stop() == (lingers < 10)
    if lingers > 10:
        assert ledger(tmp_path).doubt_usd > 0, "it may go on costing"
        assert isinstance(opened().go_on("tuned"), Pending)
        landlord.lingers = 0
        assert opened().stop()
    assert landlord.there == {}
    assert ledger(tmp_path).doubt_usd == 0


def test_whatever_breaks_it_is_one_at_a_time_and_in_the_end_none(tmp_path: Path, landlord: Landlord) -> None:
    """Faults at random, processes that die between any two requests."""
    for seed in range(25):
        draw, file = random.Random(seed), tmp_path / f"{seed}.jsonl"
        own = replace(landlord, there={}, up_s=[], starts=0, now=1000.0)

        def fault(verb: str, draw: random.Random = draw) -> Exception | None:
            kind = draw.random()
            return Doubtful("?") if kind < 0.15 else Refused("busy", 1.0) if kind < 0.3 else None

        def sleep(seconds: float, own: Landlord = own) -> None:
            own.now += seconds

        own.faults, own.lost = fault, draw.random() < 0.3
        for _ in range(12):
            hosting = Hosting(own, Purse(file, RATES, 1e4), clock=lambda own=own: own.now, sleep=sleep)  # type: ignore[misc]
            (hosting.go_on if draw.random() < 0.7 else lambda model, hosting=hosting: hosting.stop())("tuned")
            assert len(own.there) <= 1
        own.faults = lambda verb: None
        hosting = Hosting(own, Purse(file, RATES, 1e4), clock=lambda own=own: own.now, sleep=sleep)  # type: ignore[misc]
        assert hosting.stop() or hosting.go_on("tuned")
        hosting.stop()
        assert own.there == {}
        found = read_ledger(file)
        assert sum(own.up_s) <= found.billed[HOSTING] + found.doubt_usd / USD_PER_HOUR * 3600
        assert math.isfinite(found.known_usd)


def test_all_time_counts_that_passes_while_one_is_rented_here_or_when_an_answer_was_first_given() -> None:
    now = 0.0
    counts = Counts(clock=lambda: now)
    counts.take("training", {"training tokens": 50}, 1000.0)
    now += 5
    assert HOSTING not in (counts.usage().billed or {}), "nothing is rented yet"
    counts.rent(started_s=300.0)
    made = counts.usage()
    assert (made.billed, made.wall_s, made.tokens) == ({HOSTING: 300}, 300.0, 0)
    now += 7
    counts.take("a", {"input tokens": 10}, None)
    counts.take("b", {"input tokens": 10}, 20.0)
    asked = counts.usage()
    assert (asked.billed, asked.wall_s, asked.tokens) == ({"input tokens": 20, HOSTING: 27}, 20.0, 20)


def test_a_second_that_has_begun_is_counted() -> None:
    """Else a few answers of what costs by the hour would be free."""
    now = [0.0]
    counts = Counts(clock=lambda: now[0])
    counts.rent(0.0)
    assert counts.usage().billed == {HOSTING: 0}
    now[0] = 0.2
    assert counts.usage().billed == {HOSTING: 1}
