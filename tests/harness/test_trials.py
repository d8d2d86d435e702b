"""Trials: what is searched, who is charged, and what a report says of it. All on the fake backend."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import harness
from harness import api
from harness.compare.tuning import warnings
from harness.contracts import AUTO, Search, Setting
from harness.errors import HarnessError, UsageError
from harness.processes import LocalProcesses
from harness.registry import Registry
from harness.request import Request
from harness.search import search, space_of
from tests.support.given import finished, made

LR = Setting(1e-4, "rate", low=0, search=Search(1e-5, 1e-1, log=True))
RANK = Setting(8, "rank", low=1, search=Search(values=(4, 8, 16)))
SPACE = {"lora.lr": space_of(LR), "lora.rank": space_of(RANK)}
START = {"lora.lr": 1e-4, "lora.rank": 8}


def judge(number: int, settings: Mapping[str, Any]) -> tuple[float, float]:
    """Best at a rate of 1e-2; the rank only moves the cross-entropy."""
    return 1 - abs(math.log10(settings["lora.lr"]) + 2) / 10, 1 / settings["lora.rank"]


# -- the search --------------------------------------------------------------------------------------------


def test_the_best_on_validation_is_chosen_and_all_trials_are_told() -> None:
    found = search(SPACE, START, 12, 0, judge)
    assert len(found["tried"]) == 12
    assert found["tried"][0]["settings"] == START, "the settings as they are come first"
    best = max(trial["accuracy"] for trial in found["tried"])
    assert best > 0.9
    assert judge(0, found["chosen"])[0] == best
    assert all(1e-5 <= trial["settings"]["lora.lr"] <= 1e-1 for trial in found["tried"])
    assert {trial["settings"]["lora.rank"] for trial in found["tried"]} <= {4, 8, 16}
    json.dumps(found, allow_nan=False)


def test_ties_go_to_the_lower_cross_entropy() -> None:
    found = search(SPACE, START, 12, 0, lambda number, settings: (0.5, 1 / settings["lora.rank"]))
    assert found["chosen"]["lora.rank"] == 16


def test_the_same_seed_tries_the_same() -> None:
    first, again, other = (search(SPACE, START, 6, seed, judge) for seed in (3, 3, 4))
    tried = [[trial["settings"] for trial in found["tried"]] for found in (first, again, other)]
    assert tried[0] == tried[1] != tried[2]


def test_a_start_that_is_auto_is_drawn() -> None:
    """A whole number between two ends, too."""
    k = Setting(AUTO, "passages", low=1, high=10, search=Search(1, 10))
    found = search({"rag.k": space_of(k)}, {"rag.k": AUTO}, 4, 0, lambda number, settings: (0.5, 1.0))
    assert all(isinstance(trial["settings"]["rag.k"], int) for trial in found["tried"])


def test_a_trial_that_fails_is_told_and_passed_over() -> None:
    def fails(number: int, settings: Mapping[str, Any]) -> tuple[float, float]:
        if number < 3:
            raise HarnessError("training diverged")
        return judge(number, settings)

    found = search(SPACE, START, 4, 0, fails)
    assert [trial["reason"] for trial in found["tried"]] == ["training diverged"] * 2 + [None] * 2
    assert found["tried"][0]["accuracy"] is None
    with pytest.raises(HarnessError, match="all of 2 trials failed; the last one: training diverged"):
        search(SPACE, START, 2, 0, fails)


# -- in a run ----------------------------------------------------------------------------------------------

Runs = Callable[..., dict[str, Any]]


@pytest.fixture
def run(registry: Registry, tiny: Path, workers: LocalProcesses, tmp_path: Path) -> Runs:
    def run(*strategies: str, **more: Any) -> dict[str, Any]:
        own = {"backends": ["fake"], "registry": registry, "executor": workers, "store": tmp_path / "store", **more}
        return harness.run(tiny, strategies=strategies, **own).report

    return run


@pytest.mark.slow
def test_every_arm_with_a_space_has_as_many_trials_and_is_charged_for_them(run: Runs) -> None:
    plain, tried = run("base", "full", "lora"), run("base", "full", "lora", trials=3)
    base, full, lora = tried["cells"]
    assert base["reused"], "nothing of it is searched: it is the same cell"
    assert not full["reused"]
    assert {len(seed["tried"]) for arm in tried["table"] for seed in arm["trials"] or ()} == {3}
    assert {arm["strategy"]: arm["trials"] is None for arm in tried["table"]} == {
        "base": True,
        "full": False,
        "lora": False,
    }
    assert all(arm["trials"] is None for arm in plain["table"]), "not asked"
    assert set(lora["usage"]) - set(plain["cells"][2]["usage"]) == {"trials"}
    (seed,) = next(arm["trials"] for arm in tried["table"] if arm["strategy"] == "lora")
    assert set(seed["chosen"]) == {"lora.lr", "lora.rank", "lora.batch_size"}
    spent = lora["measurements"]["train_s"]["value"]
    assert spent == pytest.approx(lora["usage"]["trials"]["wall_s"] + lora["usage"]["adapt"]["wall_s"])


def test_a_setting_that_was_given_is_not_searched(run: Runs) -> None:
    report = run("lora:rank=4", trials=2, settings={"lora.lr": 1e-3})
    (seed,) = report["table"][0]["trials"]
    assert set(seed["chosen"]) == {"lora.batch_size"}


@pytest.mark.slow
def test_a_kept_adaptation_keeps_what_its_trials_chose(run: Runs, tiny: Path) -> None:
    first = run("lora", trials=3, keep="all")
    questions = (tiny.parent / "test.jsonl").read_text().splitlines()
    (tiny.parent / "test.jsonl").write_text("\n".join(questions[1:]) + "\n")
    again = run("lora", trials=3, keep="all")
    assert again["cells"][0]["key"] == first["cells"][0]["key"]
    assert again["table"][0]["trials"] == first["table"][0]["trials"], "it was not searched again"
    assert again["cells"][0]["usage"]["trials"] == first["cells"][0]["usage"]["trials"]


def test_trials_are_planned_and_priced(tiny: Path, registry: Registry) -> None:
    def planned(trials: int) -> list[Any]:
        request = Request(str(tiny), ("base", "lora"), ("fake",), trials=trials)
        return [planned.cell.estimate for planned in api.plan(request, registry).cells]

    (base, lora), (base_too, lora_too) = planned(0), planned(4)
    assert base == base_too
    assert lora.flops < lora_too.flops < 5 * lora.flops


def test_trials_need_a_validation_set(tiny: Path, registry: Registry) -> None:
    text = tiny.read_text()
    for name in ("train", "validation"):
        text = text.replace(f'{name} = "{name}.jsonl"\n', "")
    tiny.write_text(text)
    with pytest.raises(UsageError, match="chooses on validation, and 'tiny' has no validation questions"):
        api.plan(Request(str(tiny), ("lora",), ("fake",), trials=2), registry)
    with pytest.raises(UsageError, match="--trials -1"):
        Request(str(tiny), trials=-1)


# -- what is to be doubted ---------------------------------------------------------------------------------


def tuned(name: str, *accuracies: float | None, chosen: Mapping[str, Any] | None = None) -> Any:
    tried = [{"accuracy": accuracy} for accuracy in accuracies]
    log = {"trials": {"chosen": chosen or {}, "space": SPACE, "tried": tried}}
    evidence = made({"test": []}, finished(log=log))
    object.__setattr__(evidence.arm, "strategy", name)
    return evidence


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"lora.lr": 9e-2, "lora.rank": 8}, ["lora.lr lies at the upper end"]),
        ({"lora.lr": 1.2e-5, "lora.rank": 4}, ["lora.lr lies at the lower end", "lora.rank lies at the lower end"]),
        ({"lora.lr": 1e-3, "lora.rank": 16}, ["lora.rank lies at the upper end"]),
        ({"lora.lr": 1e-3, "lora.rank": 8}, []),
    ],
)
def test_a_best_on_the_edge_is_told(chosen: Mapping[str, Any], told: list[str]) -> None:
    found = warnings([tuned("lora", 0.5, 0.6, chosen=chosen)])
    assert len(found) == len(told)
    assert all(part in line for part, line in zip(told, found, strict=True))


def test_an_edge_that_cannot_be_moved_is_none() -> None:
    share = Setting(0.5, "share", low=0.0, high=1.0, search=Search(0.1, 1.0))
    assert space_of(share)["open"] == [True, False]
    words = Setting("a", "way", choices=("a", "b"), search=Search(values=("a", "b")))
    assert space_of(words)["open"] == [False, False]


def test_unequal_trials_and_a_fragile_leader_are_told() -> None:
    equal = warnings([tuned("full", 0.7, 0.9, 0.8), tuned("lora", 0.5, 0.6, 0.75)])
    assert equal == [], "by its second best, .8, full is still ahead of .75"
    (fragile,) = warnings([tuned("full", 0.9, 0.6, 0.7), tuned("lora", 0.5, 0.75, 0.6)])
    assert fragile.startswith("full@")
    assert "its second best is behind lora@" in fragile
    (unequal,) = warnings([tuned("full", 0.7, None, 0.9, 0.8), tuned("lora", 0.5, 0.6, 0.5, 0.6)])
    assert "finished in every seed full@fake:tiny 3, lora@fake:tiny 4" in unequal
