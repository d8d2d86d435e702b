"""Trials: settings drawn from their spaces and judged on validation, the same number for every arm that has a space."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from harness.contracts import AUTO, Setting
from harness.errors import HarnessError

if TYPE_CHECKING:
    import optuna

Space = dict[str, dict[str, Any]]
"""Setting, as `step.name` -> where it is looked for, as JSON (see `space_of`)."""
Judge = Callable[[int, Mapping[str, Any]], tuple[float, float]]
"""Number of a trial, counted from 1, and its settings -> accuracy and cross-entropy in nats on validation."""


@dataclass(frozen=True, slots=True)
class Trial:
    settings: dict[str, Any]
    accuracy: float | None
    """On validation, of 1; None where it failed."""
    cross_entropy: float | None
    wall_s: float
    reason: str | None = None


def space_of(setting: Setting) -> dict[str, Any]:
    """As JSON: `values`, or two ends, whether whole and whether on a logarithmic scale; and whether each end could
    be moved out without leaving what the setting may be."""
    found = setting.search
    assert found is not None
    if found.values:
        ends: tuple[Any, Any] = found.values[0], found.values[-1]
        numbers = all(isinstance(value, int | float) for value in found.values)
    else:
        ends, numbers = (found.low, found.high), True
    open_ends = [numbers and ends[0] != setting.low, numbers and ends[1] != setting.high]
    return {
        "values": list(found.values),
        "low": found.low,
        "high": found.high,
        "log": found.log,
        "whole": isinstance(found.low, int),
        "open": open_ends,
    }


def search(space: Space, start: Mapping[str, Any], trials: int, seed: int, judge: Judge) -> dict[str, Any]:
    """Settings found best, with all trials, as the JSON that a cell's log keeps.

    The first trial is the settings as they are, where these are no `AUTO`; the others are drawn by the tree-structured
    Parzen estimator (Bergstra et al. 2011, NIPS 24). The best has the highest accuracy on validation, ties by lower
    cross-entropy. Raises `HarnessError` where every trial failed.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({name: start[name] for name in space if start[name] != AUTO}, skip_if_exists=False)
    done: list[Trial] = []
    for number in range(1, trials + 1):
        asked = study.ask()
        own = {name: _suggested(asked, name, where) for name, where in space.items()}
        began = time.perf_counter()
        try:
            accuracy, cross_entropy = judge(number, own)
        except HarnessError as error:
            study.tell(asked, state=optuna.trial.TrialState.FAIL)
            done.append(Trial(own, None, None, time.perf_counter() - began, str(error)))
        else:
            study.tell(asked, accuracy)
            done.append(Trial(own, accuracy, cross_entropy, time.perf_counter() - began))
    sound = [trial for trial in done if trial.accuracy is not None]
    if not sound:
        raise HarnessError(f"all of {trials} trials failed; the last one: {done[-1].reason}")
    best = max(sound, key=lambda trial: (trial.accuracy, -(trial.cross_entropy or 0.0)))
    return {"chosen": best.settings, "space": space, "tried": [asdict(trial) for trial in done]}


def _suggested(asked: optuna.Trial, name: str, where: Mapping[str, Any]) -> Any:
    if where["values"]:
        return asked.suggest_categorical(name, where["values"])
    if where["whole"]:
        return asked.suggest_int(name, where["low"], where["high"], log=where["log"])
    return asked.suggest_float(name, where["low"], where["high"], log=where["log"])
