"""What a cell may spend, what it has paid, and what it got for it: an append-only file that survives any kill.

Before a paid call its intent is written and fsynced, after it its answer; so an answer that has arrived is never paid
for again. A call without an answer may have been charged or not: it stands as a doubt, and counts against the cap.
Lines with a wrong checksum, as a kill leaves them, are not there.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import HarnessError
from harness.keys import canonical
from harness.remote.redaction import Redactor

MILLION = 1e6
Billed = Mapping[str, int]
"""`input`, `output`, `embedding` or `training tokens`, `hosting seconds` or `machine seconds` -> how many."""


def tokens(billed: Billed) -> int:
    """Of all that is charged, what is tokens."""
    return sum(count for sort, count in billed.items() if sort.endswith(" tokens"))


class CapReached(HarnessError):
    """The next call could pass what may be spent."""


@dataclass(slots=True)
class Ledger:
    """What a purse's file says."""

    answers: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Key of a call -> the line with its answer."""
    open: Counter[str] = field(default_factory=Counter)
    """Calls that were sent and of which nothing more is known."""
    most: dict[str, float] = field(default_factory=dict)
    """The most that a call costs, in US dollars."""
    known_usd: float = 0.0
    calls: int = 0
    """That were answered."""
    guessed: int = 0
    """Of these, those of which the service told no figures: they stand at the most that they may cost."""
    billed: Counter[str] = field(default_factory=Counter)
    """Over all calls that were answered, in the service's own figures."""
    order: Mapping[str, Any] | None = None
    """The last line about a hosted training or a hired machine."""
    hosting: Mapping[str, Any] | None = None
    """The last line about a deployment that is charged by the hour."""

    @property
    def doubt_usd(self) -> float:
        """What calls without an answer cost if they were charged after all."""
        return sum(count * self._cost(key) for key, count in self.open.items())

    @property
    def spent_usd(self) -> float:
        """What is known, and what cannot be ruled out."""
        return self.known_usd + self.doubt_usd

    def _cost(self, key: str) -> float:
        answered = self.answers.get(key)
        return float(answered["usd"]) if answered else self.most.get(key, 0.0)

    def take(self, line: Mapping[str, Any]) -> None:
        if "sent" in line:
            self.open[line["sent"]] += 1
            self.most[line["sent"]] = line["most_usd"]
        elif "refused" in line:
            self.open[line["refused"]] -= 1
        elif "got" in line:
            self.open[line["got"]] -= 1
            self.answers[line["got"]] = line
            self.known_usd += line["usd"]
            self.billed.update(line["billed"])
            self.calls += 1
            self.guessed += line.get("guessed", False)
        self.order = line.get("order", self.order)
        self.hosting = line.get("hosting", self.hosting)


def read_ledger(file: Path) -> Ledger:
    ledger = Ledger()
    for line in _lines(file):
        ledger.take(line)
    return ledger


def _lines(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        return
    for raw in content.split(b"\n"):
        digest, _, body = raw.partition(b" ")
        if body and _digest(body) == digest:
            yield json.loads(body)


def _digest(body: bytes) -> bytes:
    return hashlib.sha256(body).hexdigest()[:16].encode()


class Purse:
    """Of one cell; only the process that holds the cell's lease may have it open."""

    def __init__(self, file: Path, rates: Mapping[str, float], most_usd: float, redact: Redactor | None = None) -> None:
        """`rates`: US dollars for a million of each sort; `most_usd`: for all that the file tells and will.

        The file is named after the cell's key.
        """
        self.name = file.stem
        self.ledger = read_ledger(file)
        self._rates, self._most, self._redact = rates, most_usd, redact or Redactor()
        file.parent.mkdir(parents=True, exist_ok=True)
        self._file = file.open("ab")
        self._file.write(b"\n")  # whatever a kill left of a last line ends here
        self._flush()
        _fsync_folder(file.parent)

    def close(self) -> None:
        self._file.close()

    @property
    def left_usd(self) -> float:
        return max(0.0, self._most - self.ledger.spent_usd)

    def usd(self, billed: Billed) -> float:
        """Raises `HarnessError` for a sort whose price is not known: what is unknown is not free."""
        unpriced = [name for name, count in billed.items() if count and name not in self._rates]
        if unpriced:
            raise HarnessError(f"no price of 1M {unpriced[0]} is known; give one with --prices")
        return sum(self._rates[name] * count / MILLION for name, count in billed.items() if count)

    def answer(self, key: str) -> Mapping[str, Any] | None:
        """What was paid for before: `answer`, `billed` and `s`, the seconds that it took then."""
        return self.ledger.answers.get(key)

    def intend(self, key: str, most: Billed, **state: Mapping[str, Any]) -> None:
        """Before a call; raises `CapReached` where it could pass the cap. `state` is written with it or not at all."""
        usd = self.usd(most)
        if self.ledger.spent_usd + usd > self._most:
            raise CapReached(
                f"--max-cost: this cell has used {self.ledger.spent_usd:.4g} of the {self._most:.4g} USD that it may, "
                f"and the next call may cost {usd:.2g}; raise it and run the same command again"
            )
        self._append({"sent": key, "most_usd": usd, **state})

    def refused(self, key: str, **state: Mapping[str, Any]) -> None:
        """The service did surely not do it: it said so, or was never reached."""
        self._append({"refused": key, **state})

    def paid(
        self,
        key: str,
        answer: Any,
        billed: Billed,
        seconds: float,
        *,
        guessed: bool = False,
        **state: Mapping[str, Any],
    ) -> None:
        """`guessed`: the service told no figures."""
        line = {"got": key, "answer": answer, "billed": dict(billed), "usd": self.usd(billed), "s": seconds, **state}
        self._append({**line, "guessed": True} if guessed else line)

    def note(self, order: Mapping[str, Any]) -> None:
        """The state of a hosted training or a hired machine."""
        self._append({"order": dict(order)})

    def host(self, hosting: Mapping[str, Any]) -> None:
        """The state of a deployment."""
        self._append({"hosting": dict(hosting)})

    def _append(self, line: Mapping[str, Any]) -> None:
        body = self._redact(canonical(line).decode()).encode()
        self._file.write(_digest(body) + b" " + body + b"\n")
        self._flush()
        self.ledger.take(json.loads(body))

    def _flush(self) -> None:
        self._file.flush()
        os.fsync(self._file)


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
