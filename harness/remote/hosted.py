"""A hosted training from its intent to its end: never two paid jobs for one cell, whatever breaks in between.

The purse's file holds the state. `intended` is written before the job is created; if the process dies or no answer
comes, the job is looked up by our label and adopted. If none is found either, nobody can tell whether there will be
one: it is looked for again, and in the end a person has to look (`harness remote release`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.errors import HarnessError
from harness.keys import digest
from harness.remote.faults import Doubtful, Refused
from harness.remote.orders import HostedJob, Jobs, Order, Pending, State
from harness.remote.purse import Purse

PREFIX = "harness-"
TRAINING = "training"
"""Key of the one paid call of an order."""
POLL_S = 30.0
SOON_S = 2.0
DOUBT_S = 600.0
"""So long a job that may have been created is looked for."""
DEADLINE_S = 48 * 3600.0
Clock = Callable[[], float]


class Hosted:
    """One order of one cell, taken up wherever its purse says it stands."""

    def __init__(
        self, jobs: Jobs, purse: Purse, most_tokens: int, *, poll_s: float = POLL_S, clock: Clock = time.time
    ) -> None:
        """`most_tokens`: what it is expected to be charged for at most."""
        self._jobs, self._purse, self._most = jobs, purse, most_tokens
        self._poll_s, self._clock = poll_s, clock

    def go_on(self, order: Order) -> HostedJob | Pending:
        """One step or look, never a wait; raises `HarnessError` for what failed or needs a person."""
        known = self._purse.ledger.order
        if known is None or known["state"] == "withdrawn":
            return self._begin(order)
        if known["state"] == "intended":
            return self._find(known)
        if known["state"] in (State.FAILED, State.CANCELLED):
            raise HarnessError(f"{known['told']}; --fresh orders another training")
        return self._look(known)

    # -- before there is a job -----------------------------------------------------------------------------

    def _begin(self, order: Order) -> HostedJob | Pending:
        try:
            files = [self._upload(content) for content in (order.train, order.validation) if content]
            if not all(map(self._jobs.ready, files)):
                return Pending("uploaded files are being checked", min(SOON_S, self._poll_s))
        except Doubtful as error:  # uploads cost nothing and are found again by their content
            return Pending(f"uploading: {error}", min(SOON_S, self._poll_s))
        except Refused as error:
            return self._later(error)
        while self._purse.ledger.open[TRAINING] > 0:  # a kill before the intent was noted: nothing was sent
            self._purse.refused(TRAINING)
        # Another training of the same cell, after --fresh or in another store, must not be taken for this one.
        # No longer than the 40 characters of a suffix, by which some services find it.
        label = f"{PREFIX}{self._purse.name[:23]}-{secrets.token_hex(4)}"
        intended = {"state": "intended", "label": label, "at": self._clock()}
        self._purse.intend(TRAINING, {"training tokens": self._most})
        self._purse.note(intended)
        try:
            job = self._jobs.create(replace(order, label=label), files[0], files[1] if len(files) > 1 else None)
        except Refused as error:
            self._purse.note({**intended, "state": "withdrawn"})
            self._purse.refused(TRAINING)
            return self._later(error)
        except Doubtful:
            return self._find(intended)
        return self._take(job, intended)

    def _upload(self, content: bytes) -> str:
        return self._jobs.upload(f"{PREFIX}{digest(content.decode())[:32]}.jsonl", content)

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
            f"a training was ordered, no answer came, and no job labelled {label} is found: look at the service; if "
            f"there is none, harness remote release {label}"
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
        state = {**known, "job": job.id, "state": job.state, "told": _told(job)}
        if known.get("state") != job.state or known.get("job") != job.id:
            self._purse.note(state)
        if job.state is State.RUNNING:
            return self._wait(state, job.told)
        if self._purse.answer(TRAINING) is None and self._purse.ledger.open[TRAINING] > 0:
            self._charge(job)
        if job.state is not State.SUCCEEDED or not job.model:
            if job.state is State.SUCCEEDED:
                self._purse.note({**state, "state": State.FAILED})
            raise HarnessError(f"{_told(job)}; --fresh orders another training")
        return job

    def _charge(self, job: HostedJob) -> None:
        """By the service's own figure; a job that ended well and tells none is charged as estimated."""
        tokens = job.trained_tokens
        if tokens is None:
            tokens = self._most if job.state is State.SUCCEEDED else 0
        told = {"job": job.id, "model": job.model, "estimated": job.trained_tokens is None}
        guessed = job.trained_tokens is None and tokens > 0
        self._purse.paid(TRAINING, told, {"training tokens": tokens}, 0.0, guessed=guessed)

    def _wait(self, known: Mapping[str, Any], told: str) -> Pending:
        if self._clock() - known["at"] > DEADLINE_S:
            raise HarnessError(
                f"job {known['job']} is still {told} after {DEADLINE_S / 3600:.0f} hours; the same command goes on "
                "waiting, harness remote cancel ends it"
            )
        return Pending(f"job {known['job']}: {told}", self._poll_s)


def _told(job: HostedJob) -> str:
    if job.state is State.SUCCEEDED:
        return f"job {job.id} succeeded" if job.model else f"job {job.id} succeeded but names no model"
    why = job.error or "the service tells no reason"
    return f"job {job.id} {job.told}: {why}"
