"""A deployment that a service charges by the hour, rented for one cell: never two, none forgotten, paid by the clock.

Some services let a trained model answer only while it is deployed. The purse's file holds the state: before one is
ordered its label and the most that it may cost are written; whoever comes after a kill or a drop finds it by the label.
Whoever ends a cell removes it (`stop`), and what no cell uses is found by `harness remote orphans`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NoReturn, Protocol

from harness.errors import HarnessError
from harness.keys import digest
from harness.remote.faults import Doubtful, Refused
from harness.remote.hosted import DOUBT_S, POLL_S, PREFIX
from harness.remote.orders import Pending
from harness.remote.purse import CapReached, Purse

HOSTING = "hosting seconds"
"""Sort of what is charged; its price is that of an hour of the model that was trained."""
START_S = 900.0
"""That one is expected to need until it answers."""
MOST_S = 2 * 3600.0
"""So long it is rented at most at a time, and so that no more than a share of what may be spent is held for it."""
SHARE = 0.5
STOP_S, STOP_TRIES, SOON_S = 60.0, 5, 2.0
INTENDED, WITHDRAWN, GONE = "intended", "withdrawn", "gone"
OVER = (WITHDRAWN, GONE)


class Stage(StrEnum):
    """A status that nobody knows is `STARTING`; one that is removed is not there."""

    STARTING = "starting"
    READY = "ready"
    FAILED = "failed"
    STOPPING = "stopping"


@dataclass(frozen=True, slots=True)
class Deployment:
    name: str
    """What a question to it names as its model; the same for the same label."""
    label: str
    stage: Stage
    told: str
    """The service's own word for it, and its reason where it failed."""


class Deployments(Protocol):
    """What a service that hosts can do; only `start` costs money. All raise what `faults` names."""

    def start(self, label: str, model: str) -> Deployment:
        """Of a label there is never more than one: where it is taken that one is returned, or this is `Doubtful`."""
        ...

    def look(self, label: str) -> Deployment | None:
        """None: the service says that there is none."""
        ...

    def stop(self, label: str) -> None:
        """Ask for its removal; that there is none is no error."""
        ...

    def labelled(self, prefix: str) -> Sequence[Deployment]:
        """All whose label begins so."""
        ...


def is_up(hosting: Mapping[str, Any] | None) -> bool:
    """Whether something may be there and cost money, by a ledger's `hosting`."""
    return hosting is not None and hosting["state"] not in OVER


class Hosting:
    """The deployment of one cell, taken up wherever its purse says it stands."""

    def __init__(
        self,
        deployments: Deployments,
        purse: Purse,
        *,
        poll_s: float = POLL_S,
        most_s: float = MOST_S,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deployments, self._purse = deployments, purse
        self._poll_s, self._most_s, self._clock, self._sleep = poll_s, most_s, clock, sleep

    @property
    def _known(self) -> Mapping[str, Any] | None:
        return self._purse.ledger.hosting

    @property
    def is_up(self) -> bool:
        return is_up(self._known)

    @property
    def started_s(self) -> float:
        """From its order until it was first seen to answer."""
        return 0.0 if self._known is None else float(self._known.get("started_s", 0.0))

    def go_on(self, model: str) -> str | Pending:
        """The name by which the model answers. One step or look; raises `HarnessError` for what needs a person."""
        known = self._known
        if known is not None and is_up(known) and (known["model"] != model or known["state"] == Stage.STOPPING):
            if not self.stop():
                return Pending(f"deployment {known['label']} is being removed", self._poll_s)
            known = self._known
        if known is None or not is_up(known):
            return self._begin(model)
        if known["state"] == INTENDED:
            return self._find(known)
        self.check()
        return self._look(known)

    def check(self) -> None:
        """Raises `CapReached` where it was up for as long as it may be."""
        known = self._known
        if known is not None and is_up(known) and self._clock() - known["at"] > known["most_s"]:
            raise CapReached(
                f"deployment {known['label']} was rented for {known['most_s'] / 3600:.2g} hours at most, and they are "
                "over: the same command rents it again for what is left to ask"
            )

    def _begin(self, model: str) -> str | Pending:
        # Of the cell and the model alone: answers are known by whom they were asked of, and are not paid for again
        # where the same model is rented a second time.
        label, now = f"{PREFIX}{self._purse.name[:23]}-{digest(model)[:8]}", self._clock()
        usd = self._purse.usd({HOSTING: 1})
        most_s = min(self._most_s, max(START_S, SHARE * self._purse.left_usd / usd)) if usd else self._most_s
        key = f"hosting {label} {now:.3f}"
        intended = {
            "state": INTENDED,
            "label": label,
            "model": model,
            "at": now,
            "most_s": most_s,
            "key": key,
        }
        self._purse.intend(key, {HOSTING: math.ceil(most_s)}, hosting=intended)
        return self._order(intended)

    def _order(self, intended: Mapping[str, Any]) -> str | Pending:
        try:
            found = self._deployments.start(intended["label"], intended["model"])
        except Refused as error:
            self._withdraw(intended)
            return self._later(error)
        except Doubtful as error:
            return Pending(f"deployment {intended['label']}: {error}", min(SOON_S, self._poll_s))
        return self._take(found, intended)

    def _withdraw(self, intended: Mapping[str, Any]) -> None:
        self._purse.refused(intended["key"], hosting={**intended, "state": WITHDRAWN})

    def _later(self, error: Refused) -> Pending:
        if error.retry_s is None:
            raise error
        return Pending(str(error), error.retry_s)

    def _find(self, intended: Mapping[str, Any]) -> str | Pending:
        """After doubt: adopt what carries our label, else order it again: there is never more than one of a label."""
        label = intended["label"]
        try:
            found = self._deployments.look(label)
        except Doubtful as error:
            return Pending(f"looking for a deployment {label}: {error}", self._poll_s)
        except Refused as error:
            return self._later(error)
        if found is not None:
            return self._take(found, intended)
        if self._clock() - intended["at"] < DOUBT_S:
            return self._order(intended)
        self._withdraw(intended)  # it would be there by now
        return self._begin(intended["model"])

    def _look(self, known: Mapping[str, Any]) -> str | Pending:
        try:
            found = self._deployments.look(known["label"])
        except Doubtful as error:
            return Pending(f"deployment {known['label']}: {error}", self._poll_s)
        except Refused as error:
            return self._later(error)
        if found is None:  # removed by somebody else, or by the service
            self._settle(known, seen=False)
            return self._begin(known["model"])
        return self._take(found, known)

    def _take(self, found: Deployment, known: Mapping[str, Any]) -> str | Pending:
        state = {**known, "state": found.stage, "told": found.told}
        if found.stage is Stage.READY:
            state.setdefault("started_s", self._clock() - known["at"])
        if state != known:
            self._purse.host(state)
        if found.stage is Stage.READY:
            return found.name
        if found.stage is Stage.FAILED:
            self._failed(found)
        return Pending(f"deployment {found.label}: {found.told}", self._poll_s)

    def _failed(self, found: Deployment) -> NoReturn:
        left = "" if self.stop() else "; it could not be removed: harness remote orphans"
        raise HarnessError(f"deployment {found.label} failed: {found.told}{left}")

    # -- its end -------------------------------------------------------------------------------------------

    def stop(self) -> bool:
        """Remove it and wait until it is gone; whether nothing is left. Raises nothing: it is for the end of things."""
        known = self._known
        if known is None or not is_up(known):
            return True
        until = self._clock() + STOP_S
        asked = False
        for _ in range(STOP_TRIES):
            try:
                if known["state"] == INTENDED and self._deployments.look(known["label"]) is None:
                    return False  # it may still come: nobody can tell
                self._deployments.stop(known["label"])
                asked = True
                break
            except Doubtful:
                self._sleep(min(self._poll_s, SOON_S))
            except Refused as error:
                if error.retry_s is None:
                    break
                self._sleep(min(self._poll_s, error.retry_s))
        if asked:
            self._purse.host({**known, "state": Stage.STOPPING})
        while asked and self._clock() < until:
            if self._is_gone(known["label"]):
                self._settle(known, seen=True)
                return True
            self._sleep(min(self._poll_s, SOON_S))
        return False

    def _is_gone(self, label: str) -> bool:
        try:
            return self._deployments.look(label) is None
        except (Doubtful, Refused):
            return False

    def _settle(self, known: Mapping[str, Any], *, seen: bool) -> None:
        """Charge it from its order until now; where nobody saw it go, for no longer than it was rented."""
        up_s = self._clock() - known["at"]
        seconds = math.ceil(up_s if seen else min(up_s, known["most_s"]))
        told = {"label": known["label"], "estimated": not seen}
        self._purse.paid(known["key"], told, {HOSTING: seconds}, 0.0, hosting={**known, "state": GONE})
