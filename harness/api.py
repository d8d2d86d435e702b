"""The library: `harness.run(...)` does what the command does and returns the run for notebooks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.contracts import Event, Executor
from harness.events import broadcaster
from harness.execute import execute
from harness.find import task_path
from harness.hiring import hired
from harness.plan import Plan, make_plan
from harness.rates import seen_rates
from harness.registry import Registry, load_registry
from harness.report import build_report
from harness.request import MARGIN, Asked, Request
from harness.spending import gated
from harness.store import Store
from harness.taskfile import load_task
from harness.types import Task

if TYPE_CHECKING:
    import pandas


class Run:
    """A finished run: its report document, and frames of it."""

    def __init__(self, report: Mapping[str, Any]) -> None:
        self.report = report

    @property
    def id(self) -> str:
        return str(self.report["run"]["id"])

    def frame(self) -> pandas.DataFrame:
        """One row per arm and measurement: arm, strategy, backend, model, set, measure, value, low, high, n, ..."""
        import pandas

        rows = []
        for arm in self.report["table"]:
            named = {name: arm[name] for name in ("arm", "strategy", "backend", "model")}
            for asked, measurements in {"test": arm["measurements"], **arm["tests"], **arm["suites"]}.items():
                for measure, found in measurements.items():
                    rows.append({**named, "set": asked, "measure": measure, **found})
        return pandas.DataFrame(rows)


def plan(request: Request, registry: Registry) -> Plan:
    suites = [_suite(registry, text) for text in request.suites]
    task = load_task(task_path(registry, request.task), request.data)
    made = make_plan(request, registry, task, suites, seen_rates(request.store))
    return hired(gated(made, made.terms.as_of))


def _suite(registry: Registry, text: str) -> Task:
    name, _, data = text.partition("=")
    return load_task(task_path(registry, name), Path(data) if data else None)


def run_request(
    request: Request,
    registry: Registry,
    *listeners: Callable[[Event], None],
    executor: Executor | None = None,
    margin: float = MARGIN,
) -> Run:
    made = plan(request, registry)
    store = Store(request.store)
    try:
        run_id = execute(made, store, broadcaster(registry, *listeners), executor)
        report = build_report(store, registry, run_id, margin)
        if report["decision"] is not None:
            decided = {name: report["decision"][name] for name in ("choice", "outcome", "sha256")}
            store.append("decision", run_id, run_id, decided)
        return Run(report)
    finally:
        store.close()


def run(
    task: str | Path,
    *,
    strategies: Sequence[str] = (),
    backends: Sequence[str] = (),
    models: Sequence[str] = (),
    seeds: Sequence[int] = (0,),
    settings: Mapping[str, Any] | None = None,
    limit: int | None = None,
    per_label: int | None = None,
    trials: int = 0,
    held: str | None = None,
    suites: Sequence[str] = (),
    twins: Sequence[str] = (),
    sizes: Sequence[str] = (),
    controls: Sequence[str] = (),
    criteria: Mapping[str, Any] | str | Path | None = None,
    prices: str | Path | None = None,
    gpu: str | None = None,
    max_cost_usd: float | None = None,
    max_gpu_hours: float | None = None,
    allow_spend: bool = False,
    allow_personal: bool = False,
    on: str | None = None,
    jobs: int = 1,
    keep: str = "none",
    energy: str = "counters",
    fresh: bool = False,
    time_limit_s: float = 3600.0,
    store: str | Path = ".harness",
    data: str | Path | None = None,
    listeners: Iterable[Callable[[Event], None]] = (),
    registry: Registry | None = None,
    executor: Executor | None = None,
    margin: float = MARGIN,
) -> Run:
    """Run a task through strategies on backends; the same call resumes. Raises `HarnessError`.

    Arms that differ by less than `margin` points are called equivalent.

    `criteria`: what a good choice must fulfil (`harness.criteria`), as a mapping, `NAME=VALUE,...` or a TOML file.
    Calls that share an executor (`harness.processes.LocalProcesses`) start their frameworks once.
    """
    request = Request(
        task=str(task),
        strategies=tuple(strategies),
        backends=tuple(backends),
        models=tuple(models),
        seeds=tuple(seeds),
        limit=limit,
        per_label=per_label,
        suites=tuple(suites),
        twins=tuple(twins),
        sizes=tuple(sizes),
        controls=tuple(controls),
        settings={
            key: str(value).lower() if isinstance(value, bool) else str(value)
            for key, value in (settings or {}).items()
        },
        trials=trials,
        held=held,
        jobs=jobs,
        keep=keep,
        energy=energy,
        time_limit_s=time_limit_s,
        fresh=fresh,
        max_cost_usd=max_cost_usd,
        max_gpu_hours=max_gpu_hours,
        allow_spend=allow_spend,
        allow_personal=allow_personal,
        on=on,
        asked=Asked(_criteria(criteria), Path(prices) if prices else None, gpu),
        store=Path(store),
        data=Path(data) if data else None,
    )
    return run_request(request, registry or load_registry(), *listeners, executor=executor, margin=margin)


def _criteria(given: Mapping[str, Any] | str | Path | None) -> str | None:
    if not isinstance(given, Mapping):
        return str(given) if given else None
    return ",".join(f"{name}={'|'.join(v) if isinstance(v, list | tuple) else v}" for name, v in given.items()) or None
