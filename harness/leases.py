"""The right to run a cell: held by one process at a time, and taken from those that have died."""

from __future__ import annotations

import contextlib
import os
import platform
import time
import uuid
from collections.abc import Iterable
from pathlib import Path

from harness.store import LEASE_S, Store


class Leases:
    """This process's leases in one store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owner = _owner_name()
        self._renewed = time.monotonic()

    def take(self, key: str) -> bool:
        if self._store.acquire(key, self._owner):
            return True
        holder = self._store.holder(key)
        if holder and _is_dead(holder):
            self._store.evict(key, holder)
            return self._store.acquire(key, self._owner)
        return False

    def held(self, key: str) -> bool:
        """Whether a process that lives, or may, has it."""
        holder = self._store.holder(key)
        return holder is not None and not _is_dead(holder)

    def release(self, key: str) -> None:
        self._store.release(key, self._owner)

    def renew(self, keys: Iterable[str]) -> None:
        """Well before they run out, and no more often than needed."""
        if time.monotonic() - self._renewed > LEASE_S / 6:
            self._renewed = time.monotonic()
            for key in keys:
                self._store.acquire(key, self._owner)


def _owner_name() -> str:
    return f"{_boot()}:{os.getpid()}:{_started(os.getpid())}:{uuid.uuid4().hex[:8]}"


def _is_dead(owner: str) -> bool:
    """Whether a lease's owner was a process of this boot that has gone (its pid may have been reused)."""
    boot, pid, started, _ = owner.split(":")
    if boot != _boot():
        return False
    return _started(int(pid)) != started


def _boot() -> str:
    """Where a pid means the same process: this boot, and this container's pid namespace."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    return platform.node().replace(":", "-")


def _started(pid: int) -> str:
    """When a process started, in clock ticks since boot; empty if there is no such process."""
    with contextlib.suppress(OSError, IndexError):
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()[19]
    return ""
