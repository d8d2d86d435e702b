"""A plugin as a stranger would write one: the fake backend, and strategies that misbehave in every way."""

import os
import signal
import subprocess
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from harness.plugin import (
    Answers,
    AssetInput,
    AssetSpec,
    BackendSpec,
    PluginError,
    StrategySpec,
    hookimpl,
)
from harness.testing import fake_spec


@hookimpl
def harness_backends() -> Iterable[BackendSpec]:
    return [
        fake_spec(),
        fake_spec("stuck", preload=("stranger_hangs",)),
        fake_spec("cracked", preload=("stranger_breaks",)),
        fake_spec("opener", preload=("stranger_opens",)),
    ]


def _raises(*_: Any) -> Any:
    raise PluginError("this strategy always fails")


def _exits(*_: Any) -> Any:
    os._exit(7)


def _leaves(*_: Any) -> Any:
    raise SystemExit(0)


def _segfaults(*_: Any) -> Any:
    os.kill(os.getpid(), signal.SIGSEGV)


def _hangs(*_: Any) -> Any:
    time.sleep(600)


def _starves(*_: Any) -> Any:
    raise MemoryError


def _not_finite(session: Any, material: Any, answer: Any, context: Any) -> Any:
    return material, lambda questions: Answers(tuple(np.full(len(q.choices), np.nan, np.float32) for q in questions))


def _too_few(session: Any, material: Any, answer: Any, context: Any) -> Any:
    return material, lambda questions: Answers(answer(questions).scores[1:])


def _babbles(session: Any, material: Any, answer: Any, context: Any) -> Any:
    print("on stdout")
    os.write(2, b"on stderr\n")
    return material, answer


def _slow(session: Any, material: Any, answer: Any, context: Any) -> Any:
    """Takes its time, and notes durably that it began: a witness that does not depend on the store."""
    witness = os.open(os.environ.get("STRANGER_WITNESS", os.devnull), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(witness, f"{context.seed}\n".encode())
    if "STRANGER_WITNESS" in os.environ:
        os.fsync(witness)
    time.sleep(0.15)
    return material, answer


def _stubborn(session: Any, material: Any, answer: Any, context: Any) -> Any:
    """Cannot be asked to end, and has a child that sleeps on."""
    subprocess.Popen(["sleep", "600"])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(600)


def _remembers(session: Any, material: Any, answer: Any, context: Any) -> Any:
    """Keeps a file, and must find it again instead of learning anew."""
    if context.kept is not None:
        context.record("remembered", (context.kept / "note.txt").read_text())
    elif context.keep is not None:
        (context.keep / "note.txt").write_text("learnt once")
    return material, answer


def _reads(session: Any, material: Any, answer: Any, context: Any) -> Any:
    context.record("documents", context.asset("listed"))
    return material, answer


class _Step:
    def __init__(self, apply: Any) -> None:
        self.apply = apply


def make_listed(folder: Path, given: AssetInput, settings: Any, phase: Any) -> None:
    with phase("index"):
        (folder / "documents.txt").write_text("\n".join(document.id for document in given.documents))


def open_listed(folder: Path) -> list[str]:
    return (folder / "documents.txt").read_text().split("\n")


def make_broken(folder: Path, given: AssetInput, settings: Any, phase: Any) -> None:
    raise PluginError("no such index")


WAYS = {
    "raises": _raises,
    "exits": _exits,
    "leaves": _leaves,
    "segfaults": _segfaults,
    "hangs": _hangs,
    "starves": _starves,
    "not-finite": _not_finite,
    "too-few": _too_few,
    "babbles": _babbles,
    "slow": _slow,
    "stubborn": _stubborn,
    "remembers": _remembers,
    "reads": _reads,
    "broken-asset": _reads,
}


def _loader(name: str) -> str:
    return f"stranger:{name.replace('-', '_')}"


for _name, _way in WAYS.items():
    globals()[_name.replace("-", "_")] = lambda way=_way: _Step(way)


@hookimpl
def harness_strategies() -> Iterable[StrategySpec]:
    listed = AssetSpec("listed", "stranger:make_listed", "stranger:open_listed")
    broken = AssetSpec("listed", "stranger:make_broken", "stranger:open_listed")
    assets = {"reads": (listed,), "broken-asset": (broken,)}
    return [
        StrategySpec(
            name,
            name,
            "answerer",
            _loader(name),
            default=False,
            composes=False,
            seeded=name == "slow",
            assets=assets.get(name, ()),
        )
        for name in WAYS
    ]
