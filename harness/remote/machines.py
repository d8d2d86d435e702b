"""Machines of a service, each hired for one cell: what a plugin tells of them, and what it must be able to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Protocol, Self

from harness.remote.hosted import Charge
from harness.remote.orders import HostedJob, Orders
from harness.remote.service import OfferedSpec

MACHINE = "machine"
MACHINE_SECONDS = "machine seconds"
"""Sort of what is charged; its price is that of an hour of the flavour."""
SETUP_S = 900.0
"""That a machine may need beside the cell's own time: to install what runs it, to fetch and to send."""
LIKELY_SETUP_S = 180.0
RESULT = "result.tar.gz"
"""What the name of a result ends in, after our label."""
ELSEWHERE = "elsewhere"
"""Under this name the log of a cell says on which machine it was done, and what that cost."""


def _seconds(job: HostedJob) -> int | None:
    return None if job.billed_s is None else math.ceil(job.billed_s)


HIRED = Charge(MACHINE, MACHINE_SECONDS, _seconds, True, False, lambda label: f"{MACHINE} {label}")


@dataclass(frozen=True, slots=True)
class Flavor:
    """One sort of machine that can be hired."""

    name: str
    gpu: str | None
    """As prices name it; None: it has none."""

    @property
    def device(self) -> str:
        """The kind of device that backends use there."""
        return "cuda" if self.gpu else "cpu"


@dataclass(frozen=True, slots=True)
class Hire:
    """A machine for one cell: it is given a bundle, and leaves a result under our label (see `harness.elsewhere`)."""

    suffix: ClassVar[str] = ".tar.gz"
    flavor: str
    bundle: bytes
    most_s: float
    """Until the service ends it, installing included."""
    version: str
    """Of this distribution, which is to be installed there."""
    extras: tuple[str, ...] = ()
    """Of this distribution, which the cell needs."""
    label: str = ""

    @property
    def files(self) -> Sequence[bytes]:
        return [self.bundle]

    def labelled(self, label: str) -> Self:
        return replace(self, label=label)


class Machines(Orders[Hire], Protocol):
    """`create(hire, bundle, None)` orders a machine, which is not waited for; it runs `python -m harness.elsewhere`."""

    def result(self, label: str, most_bytes: int) -> bytes | None:
        """What the machine of this label left; None: it is not there. Raises `Refused` for more bytes than these."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MachinesSpec(OfferedSpec):
    """What a plugin tells of a service whose machines run cells; it loads its `Machines`."""

    flavor: Callable[[str], Flavor]
    """Raises `UsageError` for one that there is not."""
    preload: tuple[str, ...] = ()
    """As of `contracts.BackendSpec`."""
