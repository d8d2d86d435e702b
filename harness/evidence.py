"""What measures read: one arm's stored answers, logs and usage beside the task's own snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.codec import chosen, column, decode_answers, decode_rows, flattened
from harness.errors import StoreError
from harness.keys import answers_key
from harness.remote.machines import ELSEWHERE
from harness.store import Record, Store
from harness.types import Answers, Arm, ModelCard, QuestionSet, Row, Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from harness.prices.tariff import Tariff


class TaskEvidence:
    """The snapshot of a task that a run was made on; sets are read when first asked for."""

    def __init__(self, store: Store, body: Mapping[str, Any]) -> None:
        self._store, self._body = store, body
        self._sets: dict[str, QuestionSet] = {}
        self.kind: str = body["kind"]
        self.labels: tuple[str, ...] = tuple(body["labels"])
        self.groups: tuple[str, ...] = tuple(body["groups"])
        self.extra_tests: tuple[str, ...] = tuple(body["tests"])
        self.suites: tuple[str, ...] = tuple(body.get("suites", ()))  # tasks stored before have none
        self.positive: str | None = body.get("positive")
        self.abstain: str | None = body.get("abstain")
        self.primary: str = body["primary"]

    def __contains__(self, name: str) -> bool:
        return name in self._body["sets"]

    def __getitem__(self, name: str) -> QuestionSet:
        if name not in self._sets:
            found = self._body["sets"][name]
            parts = self._store.parts(found["parts"])
            if parts is None:
                raise StoreError(f"questions of {name!r} are damaged in the store; run the same command again")
            self._sets[name] = decode_rows(name, found["fingerprint"], parts)
        return self._sets[name]

    @property
    def sets(self) -> tuple[str, ...]:
        """Names of all sets."""
        return tuple(self._body["sets"])

    def fingerprint(self, name: str) -> str:
        return str(self._body["sets"][name]["fingerprint"])


@dataclass(frozen=True, slots=True)
class CellEvidence:
    """One finished cell."""

    key: str
    seed: int | None
    usage: Mapping[str, Usage]
    """Phase -> usage; `total` is over all phases."""
    log: Mapping[str, Any]
    assets: tuple[Mapping[str, Usage], ...]
    """What each asset it reads cost to make, by phase: charged to every cell as if it had made them. Empty where
    that is not known any more."""
    contended: bool
    answers: Mapping[str, Answers]
    artifact_bytes: int | None = None
    """Of the saved adaptation, if it was kept."""
    assets_bytes: int | None = None
    """Of all assets it reads; None where one's size is not known any more."""


@dataclass(frozen=True)
class Evidence:
    """One arm, focused on one question set and possibly one group value of it."""

    arm: Arm
    task: TaskEvidence
    cells: tuple[CellEvidence, ...]
    model: ModelCard | None
    device: str
    trained: bool
    set_name: str = "test"
    group: tuple[str, str] | None = None
    gpu: str | None = None
    """The name of the GPU that it ran on, where it did and the system tells."""
    served: Mapping[str, Any] | None = None
    """By which service it was answered, and at what prices (see `planned.Served`); None: it ran here."""
    tariff: Tariff | None = field(default=None, repr=False)
    """The prices that the report goes by; None where none are known."""
    base: Evidence | None = field(default=None, repr=False)
    """The same backend and model as they came; None where that was not run, or where this is it."""

    def focus(self, set_name: str, group: tuple[str, str] | None = None) -> Evidence:
        base = self.base and self.base.focus(set_name, group)
        return replace(self, set_name=set_name, group=group, base=base)

    @property
    def answered(self) -> bool:
        return self.set_name in self.task and all(self.set_name in cell.answers for cell in self.cells)

    @property
    def hired(self) -> Mapping[str, Any] | None:
        """The machine that it was done on, where one was hired for it (see `elsewhere.moved`)."""
        return next((cell.log[ELSEWHERE] for cell in self.cells if ELSEWHERE in cell.log), None)

    @cached_property
    def kept(self) -> Sequence[int]:
        """Positions of the rows in focus."""
        found = self.task[self.set_name].rows
        if self.group is None:
            return range(len(found))
        name, value = self.group
        return [number for number, groups in enumerate(column(found, "groups")) if groups.get(name) == value]

    @cached_property
    def rows(self) -> Sequence[Row]:
        found = self.task[self.set_name].rows
        return found if self.group is None else [found[number] for number in self.kept]

    def column(self, name: str) -> list[Any]:
        """One field of every row in focus: `gold`, `cluster`, `groups`, `evidence` or `twin`.

        A million rows are read by field in a tenth of the time and room that they take whole.
        """
        found = column(self.task[self.set_name].rows, name)
        return found if self.group is None else [found[number] for number in self.kept]

    @cached_property
    def gold(self) -> npt.NDArray[np.int64]:
        """[n]"""
        import numpy as np

        return np.array(self.column("gold"), dtype=np.int64)

    @cached_property
    def chosen(self) -> npt.NDArray[np.int64]:
        """The answer of each seed to each row: [seeds, n]."""
        import numpy as np

        found = [chosen(cell.answers[self.set_name].scores) for cell in self.cells]
        return np.array(found if self.group is None else [each[self.kept] for each in found], dtype=np.int64)

    @cached_property
    def correct(self) -> npt.NDArray[np.float64]:
        """1 where right: [seeds, n]."""
        import numpy as np

        return np.asarray(self.chosen == self.gold, dtype=np.float64)

    def scores(self, cell: CellEvidence) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Scores of all choices, one question after another, and how many choices each question has: [n]."""
        import numpy as np

        flat, lengths = flattened(cell.answers[self.set_name].scores)
        if self.group is None:
            return flat, lengths
        kept = np.isin(np.arange(len(lengths)), self.kept)
        return flat[np.repeat(kept, lengths)], lengths[kept]

    def passages(self, cell: CellEvidence) -> Sequence[tuple[str, ...]]:
        found = cell.answers[self.set_name].passages
        return found if self.group is None or not found else [found[number] for number in self.kept]


def read_cell(
    store: Store, record: Record, seed: int | None, assets: list[str], task: TaskEvidence
) -> CellEvidence | None:
    """The evidence of a finished cell, as of its record; None if its answers to the test set are not sound."""
    answers = {}
    for name in task.sets:
        names = answer_parts(store, record, task.fingerprint(name))
        parts = None if names is None else store.parts(names)
        if parts is not None:
            answers[name] = decode_answers(parts)
    if "test" not in answers:
        return None
    made = [store.latest("asset", asset) for asset in assets]
    return CellEvidence(
        record.key,
        seed,
        _phases(record.body["usage"]),
        record.body["log"],
        tuple({} if asset is None else _phases(asset.body["usage"]) for asset in made),
        record.body["contended"],
        answers,
        _bytes([store.latest("artifact", record.key)]),
        _bytes(made),
    )


def answer_parts(store: Store, cell: Record, fingerprint: str) -> list[str] | None:
    """The parts of what a cell had answered by then: a later run that asks afresh changes no earlier report."""
    last = None
    for found in store.records("answers", key=answers_key(cell.key, fingerprint)):
        if found.created <= cell.created:
            last = found
    return None if last is None else list(last.body["parts"])


def _bytes(records: list[Record | None]) -> int | None:
    return None if None in records else sum(int(found.body["bytes"]) for found in records if found is not None)


def _phases(usage: Mapping[str, Mapping[str, Any]]) -> dict[str, Usage]:
    return {phase: Usage(**used) for phase, used in usage.items()}
