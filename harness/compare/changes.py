"""What is not as it was between two runs: task, surroundings, models, settings, seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from harness.stored import StoredRun

Facts = Mapping[str, Any]
"""What a thing is called -> a JSON scalar or list."""
ABOUT_TASK = ("name", "kind", "primary", "labels", "groups", "positive", "abstain", "documents")


@dataclass(frozen=True, slots=True)
class Change:
    what: str
    arms: tuple[str, ...]
    """Whose it is; empty for what is the whole run's."""
    then: Any
    """None where there was no such thing."""
    now: Any

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "arms": list(self.arms)}


def changes(then: StoredRun, now: StoredRun) -> list[Change]:
    """The runs' own, then those of arms that both planned: arms in which the same changed share a line."""
    found = list(_differing(_of_run(then), _of_run(now), ()))
    shared: dict[tuple[str, str, str], Change] = {}
    for arm in then.arms:
        if arm not in now.arms:
            continue
        for change in _differing(_of_arm(then.arms[arm]), _of_arm(now.arms[arm]), (arm,)):
            key = change.what, repr(change.then), repr(change.now)
            before = shared.get(key)
            shared[key] = Change(change.what, (*before.arms, arm) if before else (arm,), change.then, change.now)
    return found + list(shared.values())


def _differing(then: Facts, now: Facts, arms: tuple[str, ...]) -> Iterator[Change]:
    for what in dict.fromkeys((*then, *now)):
        before, after = then.get(what), now.get(what)
        if before != after:
            yield Change(what, arms, before, after)


def _of_run(run: StoredRun) -> Facts:
    environment = run.body["environment"]
    return {
        "task": run.body["task"]["fingerprint"],
        **{f"task {name}": run.task.get(name) for name in ABOUT_TASK},
        **{f"questions of {name}": found["fingerprint"] for name, found in run.task["sets"].items()},
        **{name: environment[name] for name in ("python", "system", "machine", "cores")},
        **environment["versions"],
    }


def _of_arm(cells: list[Mapping[str, Any]]) -> Facts:
    first = cells[0]
    model = first["model"] or {}
    return {
        "model revision": model.get("revision"),
        "device": first["device"],
        "seeds": [planned["seed"] for planned in cells],
        **{f"setting {name}": value for name, value in first["arm"]["settings"].items()},
    }
