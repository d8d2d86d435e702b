"""What measures read: one arm's stored answers, logs and usage beside the task's own snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from harness.codec import decode_answers, decode_rows
from harness.keys import answers_key
from harness.store import Store
from harness.types import Answers, Arm, ModelCard, QuestionSet, Row, Status, Usage

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


class TaskEvidence:
    """The snapshot of a task that a run was made on; sets are read when first asked for."""

    def __init__(self, store: Store, body: Mapping[str, Any]) -> None:
        self._store, self._body = store, body
        self._sets: dict[str, QuestionSet] = {}
        self.kind: str = body["kind"]
        self.labels: tuple[str, ...] = tuple(body["labels"])
        self.groups: tuple[str, ...] = tuple(body["groups"])
        self.extra_tests: tuple[str, ...] = tuple(body["tests"])
        self.primary: str = body["primary"]

    def __contains__(self, name: str) -> bool:
        return name in self._body["sets"]

    def __getitem__(self, name: str) -> QuestionSet:
        if name not in self._sets:
            found = self._body["sets"][name]
            parts = [path.read_bytes() for part in found["parts"] if (path := self._store.part(part))]
            self._sets[name] = decode_rows(name, found["fingerprint"], parts)
        return self._sets[name]

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
    """What each asset it reads cost to make, by phase: charged to every cell as if it had made them."""
    contended: bool
    answers: Mapping[str, Answers]


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
    prices: tuple[Any, ...] = field(default=(), repr=False)

    def focus(self, set_name: str, group: tuple[str, str] | None = None) -> Evidence:
        return replace(self, set_name=set_name, group=group)

    @property
    def answered(self) -> bool:
        return self.set_name in self.task and all(self.set_name in cell.answers for cell in self.cells)

    @cached_property
    def kept(self) -> list[int]:
        """Positions of the rows in focus."""
        rows = self.task[self.set_name].rows
        if self.group is None:
            return list(range(len(rows)))
        name, value = self.group
        return [number for number, row in enumerate(rows) if row.groups.get(name) == value]

    @cached_property
    def rows(self) -> list[Row]:
        rows = self.task[self.set_name].rows
        return [rows[number] for number in self.kept]

    @cached_property
    def gold(self) -> npt.NDArray[np.int64]:
        """[n]"""
        import numpy as np

        return np.array([row.gold for row in self.rows], dtype=np.int64)

    @cached_property
    def chosen(self) -> npt.NDArray[np.int64]:
        """The answer of each seed to each row: [seeds, n]."""
        import numpy as np

        return np.array(
            [np.array(cell.answers[self.set_name].chosen)[self.kept] for cell in self.cells], dtype=np.int64
        )

    @cached_property
    def correct(self) -> npt.NDArray[np.float64]:
        """1 where right: [seeds, n]."""
        import numpy as np

        return np.asarray(self.chosen == self.gold, dtype=np.float64)

    def passages(self, cell: CellEvidence) -> list[tuple[str, ...]]:
        found = cell.answers[self.set_name].passages
        return [found[number] for number in self.kept] if found else []


def read_cell(store: Store, key: str, seed: int | None, assets: list[str], task: TaskEvidence) -> CellEvidence | None:
    """A finished cell's evidence; None if it is not done or its answers are not sound."""
    record = store.latest("cell", key)
    if record is None or record.body["status"] != Status.DONE:
        return None
    answers = {}
    for name in task._body["sets"]:
        found = store.latest("answers", answers_key(key, task.fingerprint(name)))
        if found is None:
            continue
        parts = [store.part(part) for part in found.body["parts"]]
        if all(parts):
            answers[name] = decode_answers([part.read_bytes() for part in parts if part is not None])
    if "test" not in answers:
        return None
    made = [store.latest("asset", asset) for asset in assets]
    return CellEvidence(
        key,
        seed,
        _phases(record.body["usage"]),
        record.body["log"],
        tuple(_phases(asset.body["usage"]) for asset in made if asset is not None),
        record.body["contended"],
        answers,
    )


def _phases(usage: Mapping[str, Mapping[str, Any]]) -> dict[str, Usage]:
    return {phase: Usage(**used) for phase, used in usage.items()}
