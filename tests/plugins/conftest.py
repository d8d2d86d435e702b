"""What the tests of all backends share, and those of services: a stand-in, sessions and runs against it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.contracts import Executor
from harness.plugin import Kind
from harness.registry import Registry
from harness.remote.orders import HostedRecipe, Pending
from harness.remote.purse import Purse, read_ledger
from harness.taskfile import load_task
from harness.testing import tiny_task
from harness.types import Example, examples
from tests.support.machines import PLACES, Place
from tests.support.services import CAP_USD, SERVICES, Service, material, price_list


@pytest.fixture
def soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits between what a service is asked are those that it asks for, and no more."""
    hurry(monkeypatch)


def hurry(patch: pytest.MonkeyPatch) -> None:
    from tenacity import wait_none

    import harness.remote.faults
    import harness.remote.hosted
    import harness.remote.paying

    patch.setattr(harness.remote.paying, "_JITTER", wait_none())
    patch.setattr(harness.remote.faults, "RETRY_S", 0.01)
    patch.setattr(harness.remote.hosted, "POLL_EMULATED_S", 0.01)


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> tuple[Example, ...]:
    """The training rows of the tiny task."""
    task = load_task(tiny_task(tmp_path_factory.mktemp("task")))
    assert task.train is not None
    return examples(task.train.rows)


# -- services ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=SERVICES, ids=lambda service: service.name)
def service(request: pytest.FixtureRequest) -> Service:
    """All of them; a module of one service's own tests says which."""
    found: Service = request.param
    return found


def of_some(wanted: Callable[[Service], bool]) -> pytest.MarkDecorator:
    """A test of the services of which that is so."""
    some = [each for each in SERVICES if wanted(each)]
    return pytest.mark.parametrize("service", some, ids=lambda each: each.name, indirect=True)


@contextlib.contextmanager
def serving(service: Service, patch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The state of a stand-in that the environment names."""
    for name in service.unset:
        patch.delenv(name, raising=False)
    for place, value in (service.quick or {}).items():
        part, name = place.split(".")
        patch.setattr(service.part(part), name, value)
    if service.name == "azure":
        service.part("credentials")._login.cache_clear()
    with service.serving(service.state()) as (url, state):
        for name, value in service.environment(url).items():
            patch.setenv(name, value)
        yield state


@pytest.fixture
def server(service: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with serving(service, monkeypatch) as state:
        yield state


def opening(service: Service, file: Path, model: str = "", most_usd: float = CAP_USD, *, trains: bool = False) -> Any:
    """A session of a cell, with a purse in that file."""
    model = model or service.model
    purse = Purse(file, service.purse_rates(model, trains=trains), most_usd)
    card = service.spec.describe(model)
    return service.part("backend").load().open(card, kind=Kind.CHOICE, labels=(), seed=0, purse=purse)


Opened = Callable[..., Any]


@pytest.fixture
def opened(service: Service, server: Any, tmp_path: Path) -> Iterator[Opened]:
    sessions = []

    def opens(model: str = "", file: str = "cell.jsonl", most_usd: float = CAP_USD, *, trains: bool = False) -> Any:
        sessions.append(opening(service, tmp_path / file, model, most_usd, trains=trains))
        return sessions[-1]

    yield opens
    for session in sessions:
        session.close()


TRAINED_S = 60.0
RECIPE = HostedRecipe(1, None, None, 0)


def look(session: Any, recipe: HostedRecipe = RECIPE) -> Any:
    """At its training, which is ordered where it is not yet."""
    return session.tune(material(), material(3), recipe, print)


def trained(opened: Opened, file: str = "cell.jsonl", recipe: HostedRecipe = RECIPE) -> Any:
    """A session whose model is trained; as a cell does, each look is that of another session."""
    until = time.monotonic() + TRAINED_S
    while True:
        session = opened(file=file, trains=True)
        if not isinstance(found := look(session, recipe), Pending):
            return session
        assert time.monotonic() < until, found.handle
        session.close()
        time.sleep(0.002)


@dataclass(frozen=True)
class Runs:
    """The tiny task by a service."""

    service: Service
    tiny: Path
    folder: Path

    def __call__(self, executor: Executor | None = None, **changes: Any) -> dict[str, Any]:
        """The report; workers are forked of this process unless an executor is given."""
        from tests.support.forked import Forked

        asked: dict[str, Any] = {
            "strategies": ["base"],
            "backends": [self.service.name],
            "models": [f"{self.service.name}:{self.service.model}"],
            "prices": self.prices,
            "allow_spend": True,
            "max_cost_usd": CAP_USD,
            "store": self.store,
        }
        with contextlib.nullcontext(executor) if executor else Forked(self.folder) as workers:
            return dict(harness.run(self.tiny, **{**asked, **changes}, executor=workers).report)

    def command(self, strategy: str, model: str = "") -> list[str]:
        """What is typed after `harness` for the same."""
        service = self.service
        asked = ["run", "--task", str(self.tiny), "--strategy", strategy, "--backend", service.name]
        asked += ["--model", f"{service.name}:{model or service.model}", "--prices", str(self.prices)]
        return [*asked, "--allow-spend", "--max-cost", str(CAP_USD), "--store", str(self.store)]

    @property
    def prices(self) -> Path:
        return price_list(self.folder, self.service.rates)

    @property
    def store(self) -> Path:
        return self.folder / "store"

    def ledgers(self) -> list[Any]:
        return [read_ledger(file) for file in (self.store / "paid").glob("*.jsonl")]

    def spent_usd(self) -> float:
        return float(sum(ledger.known_usd for ledger in self.ledgers()))

    def kept(self) -> list[Path]:
        """Every file that there is."""
        return [file for file in self.folder.rglob("*") if file.is_file()]


@pytest.fixture
def ran(service: Service, server: Any, tiny: Path, tmp_path: Path) -> Runs:
    return Runs(service, tiny, tmp_path)


# -- machines ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=PLACES, ids=lambda place: place.name)
def place(request: pytest.FixtureRequest) -> Place:
    """All of them; a module of one place's own tests says which."""
    found: Place = request.param
    return found


@pytest.fixture
def hub(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The state of a stand-in that hires out machines."""
    with place.serving(place.state()) as (url, state):
        for name, value in place.environment(url).items():
            monkeypatch.setenv(name, value)
        yield state


Moves = Callable[..., harness.Run]


@pytest.fixture
def moves(
    place: Place, hub: Any, registry: Registry, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Moves:
    """A run whose cells are done on machines."""
    from tests.support.forked import Forked

    hurry(monkeypatch)
    prices = place.price_list(tmp_path)

    def run(*strategies: str, on: str | None = f"{place.name}:{place.flavor}", **options: Any) -> harness.Run:
        fields: dict[str, Any] = {
            "strategies": strategies,
            "backends": ["fake"],
            "store": tmp_path / "store",
            "registry": registry,
            "prices": prices,
            "max_cost_usd": CAP_USD,
            "allow_spend": True,
            "on": on,
        }
        with Forked(tmp_path) as workers:
            return harness.run(tiny, **{"executor": workers, **fields, **options})

    return run


def states(run: harness.Run) -> list[tuple[str, str | None]]:
    return [(cell["status"], cell["reason"]) for cell in run.report["cells"]]


def figures(run: harness.Run) -> dict[str, Any]:
    """Of a report, what has nothing to do with time or money."""
    names = ("accuracy", "overfitting_gap", "ece", "flip_rate", "index_bytes", "hit_rate")
    return {
        row["arm"]: (
            {name: found["value"] for name, found in row["measurements"].items() if name in names},
            {name: found["accuracy"]["value"] for name, found in row["tests"].items()},
            list(row["epochs"]),
        )
        for row in run.report["table"]
    }
