"""A hosted training, or a hired machine, from its intent to its end: never two paid jobs for one cell's work.

The purse's file holds the state. `intended` is written before the job is created; if the process dies or no answer
comes, the job is looked up by our label and adopted. If none is found either, nobody can tell whether there will be
one: it is looked for again, and in the end a person has to look (`harness remote release`).
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from harness.errors import HarnessError
from harness.remote.faults import Doubtful, Refused
from harness.remote.orders import HostedJob, Ordered, Orders, Pending, State
from harness.remote.purse import Purse

PREFIX = "harness-"
TRAINING = "training"
"""Key of the one paid call of a training."""
POLL_S, POLL_EMULATED_S = 30.0, 0.5
SOON_S = 2.0
DOUBT_S = 600.0
"""So long a job that may have been created is looked for."""
DEADLINE_S = 48 * 3600.0
Clock = Callable[[], float]
Wanted = TypeVar("Wanted", bound=Ordered)


def polls_every(emulated: bool) -> float:
    """Seconds between two looks at a service, or at a stand-in, which has nothing to wait for."""
    return POLL_EMULATED_S if emulated else POLL_S


@dataclass(frozen=True, slots=True)
class Charge:
    """What is paid for, by the service's own figure, and what it is called."""

    what: str
    sort: str
    billed: Callable[[HostedJob], int | None]
    """None where the service does not tell: then it costs the most that it may."""
    charges_failures: bool
    """Also where it ended badly."""
    names_result: bool
    """Whether a job that ended well must name what it made."""
    key: Callable[[str], str]
    """Label -> key of the paid call."""


TRAINED = Charge(TRAINING, "training tokens", lambda job: job.trained_tokens, False, True, lambda label: TRAINING)


class Hosted(Generic[Wanted]):
    """One order of one cell, taken up wherever its purse says it stands."""

    def __init__(
        self,
        jobs: Orders[Wanted],
        purse: Purse,
        most: int,
        *,
        charge: Charge = TRAINED,
        of: str = "",
        poll_s: float = POLL_S,
        clock: Clock = time.time,
    ) -> None:
        """`most`: of what is charged, at most; `of`: what the order is for, where a cell may need one after another."""
        self._jobs, self._purse, self._most = jobs, purse, most
        self._charged, self._of, self._poll_s, self._clock = charge, of, poll_s, clock

    def go_on(self, order: Wanted) -> HostedJob | Pending:
        """One step or look, never a wait; raises `HarnessError` for what failed or needs a person."""
        return self.ordered() or self.begin(order)

    def ordered(self) -> HostedJob | Pending | None:
        """The same of what was ordered before; None: nothing was, and `begin` would order it."""
        known = self._purse.ledger.order
        if known is None or known["state"] == "withdrawn":
            return None
        if known["state"] == "intended":
            return self._find(known)
        other, ended = known.get("of", "") != self._of, known["state"] != State.RUNNING
        if other and ended:
            return None
        if other:
            raise HarnessError(
                f"job {known['job']} does something else for this cell: let the same command as then see it to its "
                f"end, or end it: harness remote cancel {known['label']}"
            )
        if known["state"] in (State.FAILED, State.CANCELLED):
            raise HarnessError(f"{known['told']}; --fresh orders another {self._charged.what}")
        return self._look(known)

    # -- before there is a job -----------------------------------------------------------------------------

    def begin(self, order: Wanted) -> HostedJob | Pending:
        try:
            files = [self._upload(content, order.suffix) for content in order.files]
            if not all(map(self._jobs.ready, files)):
                return Pending("uploaded files are being checked", min(SOON_S, self._poll_s))
        except Doubtful as error:  # uploads cost nothing and are found again by their content
            return Pending(f"uploading: {error}", min(SOON_S, self._poll_s))
        except Refused as error:
            return self._later(error)
        # Another order of the same cell, after --fresh or in another store, must not be taken for this one.
        # No longer than the 40 characters of a suffix, by which some services find it.
        label = f"{PREFIX}{self._purse.name[:23]}-{secrets.token_hex(4)}"
        key = self._charged.key(label)
        intended = {"state": "intended", "label": label, "at": self._clock(), "what": self._charged.what, "key": key}
        if self._of:
            intended["of"] = self._of
        self._purse.intend(key, {self._charged.sort: self._most}, order=intended)
        try:
            job = self._jobs.create(order.labelled(label), files[0], files[1] if len(files) > 1 else None)
        except Refused as error:
            self._purse.refused(key, order={**intended, "state": "withdrawn"})
            return self._later(error)
        except Doubtful:
            return self._find(intended)
        return self._take(job, intended)

    def _upload(self, content: bytes, suffix: str) -> str:
        return self._jobs.upload(f"{PREFIX}{hashlib.sha256(content).hexdigest()[:32]}{suffix}", content)

    def _later(self, error: Refused) -> Pending:
        if error.retry_s is None:
            raise error
        return Pending(str(error), error.retry_s)

    def _find(self, intended: Mapping[str, Any]) -> HostedJob | Pending:
        """After doubt: adopt what carries our label."""
        label = intended["label"]
        try:
            found = [job for job in self._jobs.labelled(label) if job.label == label]
        except Doubtful as error:  # a list that nobody could read says nothing of what is on it
            return Pending(f"looking for a job labelled {label}: {error}", self._poll_s)
        except Refused as error:
            return self._later(error)
        if len(found) > 1:
            ids = ", ".join(job.id for job in found)
            raise HarnessError(f"several jobs carry the label {label}: {ids}; look at them: harness remote orphans")
        if found:
            return self._take(found[0], intended)
        if self._clock() - intended["at"] < DOUBT_S:
            return Pending(f"looking for a job labelled {label}", self._poll_s)
        raise HarnessError(
            f"a {self._charged.what} was ordered, no answer came, and no job labelled {label} is found: look at the "
            f"service; if there is none, harness remote release {label}"
        )

    # -- once there is one ---------------------------------------------------------------------------------

    def _look(self, known: Mapping[str, Any]) -> HostedJob | Pending:
        try:
            job = self._jobs.job(known["job"])
        except Doubtful as error:
            return self._wait(known, str(error))
        except Refused as error:
            if error.retry_s is None:
                raise
            return Pending(str(error), error.retry_s)
        return self._take(job, known)

    def _take(self, job: HostedJob, known: Mapping[str, Any]) -> HostedJob | Pending:
        state = {**known, "job": job.id, "state": job.state, "told": self._told(job)}
        if known.get("state") != job.state or known.get("job") != job.id:
            self._purse.note(state)
        if job.state is State.RUNNING:
            self._end_overdue(job)
            return self._wait(state, job.told)
        key = known["key"]
        if self._purse.answer(key) is None and self._purse.ledger.open[key] > 0:
            self._charge(job, key)
        if job.state is State.SUCCEEDED and (job.model or not self._charged.names_result):
            return job
        if job.state is State.SUCCEEDED:
            self._purse.note({**state, "state": State.FAILED})
        raise HarnessError(f"{self._told(job)}; --fresh orders another {self._charged.what}")

    def _end_overdue(self, job: HostedJob) -> None:
        """No more may be charged than was reckoned with, whatever limit the service keeps."""
        if job.billed_s is not None and job.billed_s > self._most:
            with contextlib.suppress(Doubtful, Refused):
                self._jobs.cancel(job.id)

    def _charge(self, job: HostedJob, key: str) -> None:
        """By the service's own figure; where it tells none, as estimated."""
        billed = self._charged.billed(job)
        told = {"job": job.id, "model": job.model, "estimated": billed is None}
        is_charged = self._charged.charges_failures or job.state is State.SUCCEEDED
        count = billed if billed is not None else self._most if is_charged else 0
        self._purse.paid(key, told, {self._charged.sort: count}, 0.0, guessed=billed is None and count > 0)

    def _wait(self, known: Mapping[str, Any], told: str) -> Pending:
        if self._clock() - known["at"] > DEADLINE_S:
            raise HarnessError(
                f"job {known['job']} is still {told} after {DEADLINE_S / 3600:.0f} hours; the same command goes on "
                "waiting, harness remote cancel ends it"
            )
        return Pending(f"job {known['job']}: {told}", self._poll_s)

    def _told(self, job: HostedJob) -> str:
        if job.state is State.SUCCEEDED:
            named = job.model or not self._charged.names_result
            return f"job {job.id} succeeded" if named else f"job {job.id} succeeded but names no model"
        why = job.error or "the service tells no reason"
        return f"job {job.id} {job.told}: {why}"
