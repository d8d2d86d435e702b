"""Report documents (`harness.report/1`) made by hand: as full, as crowded or as bare as a test needs them.

The figures are drawn from a seed and mean nothing; their shapes are those that a run gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tests.support.decisions import decided

MODEL = "all-MiniLM-L6-v2"
STRATEGIES = ("full+rag", "lora+rag", "full", "rag", "tfidf", "lora", "probe", "base", "majority")
WITHOUT_MODEL = ("tfidf", "majority")
TRAINED = ("full", "lora", "qlora")
GROUPS = {"gender": ("female", "male"), "origin": ("british", "hispanic", "south_asian", "west_african")}
SIZES = (("10%", 40, 12), ("30%", 120, 36), ("100%", 400, 120))
FIELDS = ("value", "low", "high", "n", "unit", "better", "basis", "reason", "spread", "p", "points")


def measurement(value: float | None, half: float | None = None, unit: str = "%", **others: Any) -> dict[str, Any]:
    """A value with an interval of so much to both sides; without a value it has a reason."""
    found = dict.fromkeys(FIELDS) | {"value": value, "unit": unit, "basis": "measured", "n": 200}
    if value is None:
        found |= {"n": None, "reason": "not asked"}
    elif half is not None:
        found |= {"low": value - half, "high": value + half}
    return {**found, **others}


def crowded(arms: int = 18, seeds: int = 5) -> dict[str, Any]:
    """Many arms of two backends, each trained with several seeds."""
    names = [f"{strategy}@{backend}:{MODEL}" for backend in ("torch", "keras") for strategy in STRATEGIES]
    return document(names[:arms], seeds)


def document(arms: Sequence[str] | None = None, seeds: int = 1, seed: int = 0) -> dict[str, Any]:
    """Everything that a report may hold, of these arms (full names)."""
    names = [_named(strategy) for strategy in STRATEGIES] if arms is None else list(arms)
    random = np.random.default_rng(seed)
    table = [_arm(name, place, seeds, random) for place, name in enumerate(names)]
    report = {
        "schema": "harness.report/1",
        "run": {
            "id": "20261126-090000-abcdef",
            "created": 1795683600.0,
            "task": {"name": "legal-qa", "fingerprint": "ab" * 32},
            "environment": {
                "python": "3.11.7",
                "system": "Linux",
                "machine": "x86_64",
                "cores": 2,
                "versions": {"adapt-harness": "0.1.0", "torch": "2.13.0", "transformers": "5.23.0"},
            },
            "findings": [
                {
                    "check": "duplicates, trained on and tested",
                    "severity": "serious",
                    "where": "test, train",
                    "told": "3 pairs of questions are the same text",
                    "examples": ["q1 = q7"],
                    "count": 3,
                }
            ],
            "sets": {"test": 606, "unseen_facts": 702},
            "unasked": {"winobias": "no data given"},
        },
        "cells": [_cell(name, seed, "done", None) for name in names for seed in range(seeds)]
        + [
            _cell("qlora@torch:" + MODEL, 0, "skipped", "the backend does not offer tune:qlora:choice on this machine"),
            _cell("full@keras:" + MODEL, 0, "oom", "killed at 14.2 GB"),
        ],
        "table": table,
        "comparisons": _comparisons(table),
        "selection": {
            "test": {
                "measure": "accuracy",
                "best": table[0]["arm"],
                "value": table[0]["measurements"]["accuracy"]["value"],
                "corrected": table[0]["measurements"]["accuracy"]["value"] - 0.4,
                "p_best": {arm["arm"]: (0.8 if place == 0 else 0.2 / len(table)) for place, arm in enumerate(table)},
            }
        }
        if table
        else None,
        "doubts": [],
    }
    return decided(report)


def bare() -> dict[str, Any]:
    """A run none of whose arms is done: nothing is measured, owned or decided."""
    empty = document([])
    for name in ("decision", "ownership", "prices", "budget", "comparisons", "selection"):
        empty[name] = None
    empty["run"] |= {"findings": [], "unasked": {}}
    return empty


def _named(strategy: str) -> str:
    return f"{strategy}@none" if strategy in WITHOUT_MODEL else f"{strategy}@torch:{MODEL}"


def _cell(arm: str, seed: int, status: str, reason: str | None) -> dict[str, Any]:
    found = {"key": f"{arm}-{seed}", "arm": arm, "seed": seed, "training": "", "status": status, "reason": reason}
    return found | {"reused": False, "estimate": None, "usage": {}, "measurements": {}}


def _arm(name: str, place: int, seeds: int, random: np.random.Generator) -> dict[str, Any]:
    strategy, _, where = name.partition("@")
    backend, _, model = where.partition(":")
    accuracy = max(24.0, 88.0 - 3.4 * place + float(random.normal(0, 0.8)))
    trains = any(step in TRAINED for step in strategy.split("+"))
    reads = "rag" in strategy.split("+")
    unsure = {"reason": "its scores are similarities of words, which no training made probabilities"}
    ece = measurement(None, unit="points", **unsure) if strategy == "tfidf" else _ece(accuracy, random)
    usd = 0.0001 * 3 ** (8 - place % 9) if model else None
    wanting = {"reason": "no model is trained"}
    measurements = {
        "accuracy": measurement(accuracy, 3.6, better="higher", spread=0.6 if seeds > 1 and trains else None),
        "overfit_gap": measurement(float(random.normal(8, 6)), 4.0, "points", better="lower"),
        "ece": ece,
        "brier": measurement(1.2 - accuracy / 100, 0.04, ""),
        "aurc": _aurc(accuracy),
        "group_gap": measurement(float(random.uniform(0, 7)), 1.5, "points", p=float(random.uniform(0, 0.3))),
        "bias_delta": measurement(float(random.normal(0, 2)), 2.0, "points"),
        "flip_rate": measurement(float(random.uniform(0, 40)), 3.0),
        "hit_at_k": measurement(96.5, 1.0) if reads else measurement(None, reason="the arm reads no documents"),
        "train_s": measurement(float(random.uniform(1, 900)), None, "s"),
        "latency_p50_ms": measurement(float(random.uniform(1, 120)), None, "ms"),
        "peak_ram_bytes": measurement(float(random.uniform(8e7, 1.4e9)), None, "bytes"),
        "train_usd": measurement(usd, None, "USD", basis="projected") if model else measurement(None, **wanting),
        "usd_per_1k": measurement(0.002 * (1 + place), None, "USD", basis="projected"),
    }
    sizes = [
        {"size": size, "rows": rows, "clusters": clusters, "seeds": [0], "tests": {}}
        | {"accuracy": measurement(accuracy * (0.6 + 0.4 * rows / SIZES[-1][1]), 5.0)}
        for size, rows, clusters in SIZES
    ]
    return {
        "arm": name,
        "strategy": strategy,
        "backend": backend,
        "model": model or None,
        "settings": {},
        "seeds": list(range(seeds)) if trains else [None],
        "notes": ["this checkpoint only"] if trains and seeds == 1 else [],
        "trials": None,
        "ties": [],
        "measurements": measurements,
        "tests": {"unseen_facts": {"accuracy": measurement(accuracy - 14, 4.5)}},
        "groups": {
            group: {value: {"accuracy": measurement(accuracy + float(random.normal(0, 2)), 5.0)} for value in values}
            for group, values in GROUPS.items()
        },
        "suites": {},
        "epochs": [_curve(number, random) for number in range(seeds)] if trains else [],
        "sizes": {"points": sizes if trains else None, "reason": None if trains else "does not train"},
        "permuted": {"accuracy": measurement(None), "chance": None, "base": None, "less_base": None, "verdict": None},
    }


def _ece(accuracy: float, random: np.random.Generator) -> dict[str, Any]:
    sure = np.linspace(max(10, accuracy - 45), 98, 12)
    points = [[float(each), float(np.clip(each + random.normal(-4, 5), 0, 100)), 50.0] for each in sure]
    return measurement(6.0 + float(random.uniform(0, 8)), 2.0, "points", better="lower", points=points)


def _aurc(accuracy: float) -> dict[str, Any]:
    wrong = 100 - accuracy
    points = [[share, wrong * (share / 100) ** 1.3] for share in np.linspace(5, 100, 20).tolist()]
    return measurement(wrong / 2.3, 2.0, points=points)


def _curve(seed: int, random: np.random.Generator) -> dict[str, Any]:
    steps = np.arange(1, 9)
    train = 1.3 * np.exp(-steps / 3.0) + 0.05 + random.normal(0, 0.01, 8)
    held = 1.1 * np.exp(-steps / 2.5) + 0.35 + 0.02 * steps + random.normal(0, 0.015, 8)
    right = 0.9 - 0.4 * np.exp(-steps / 2.0) + random.normal(0, 0.006, 8)
    epochs = [
        {
            "epoch": int(step),
            "train_loss": float(loss),
            "validation_loss": float(lost),
            "validation_accuracy": float(hit),
        }
        for step, loss, lost, hit in zip(steps, train, held, right, strict=True)
    ]
    return {"seed": seed, "best_epoch": int(held.argmin()) + 1, "epochs": epochs}


def _comparisons(table: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]] | None:
    found = []
    for arm in table[1:]:
        best, own = (each["measurements"]["accuracy"]["value"] for each in (table[0], arm))
        less = own - best
        verdict = "worse" if less + 4 < 0 else "not separated"
        found.append(
            {"a": arm["arm"], "b": table[0]["arm"], "set": "test", "measure": "accuracy", "difference": less}
            | {"low": less - 4, "high": less + 4, "p": 0.01, "p_adjusted": 0.04, "verdict": verdict, "margin": 2.0}
        )
    return found or None
