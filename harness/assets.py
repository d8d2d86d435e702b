"""Makes the assets that cells share, each once in a process of its own, under a lease."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contracts import Executor
from harness.energy import COUNTERS
from harness.keys import folder_hash
from harness.leases import Leases
from harness.planned import PlannedAsset
from harness.snapshot import Snapshot
from harness.store import Store
from harness.types import Status

POLL_S = 0.2


@dataclass(frozen=True, slots=True)
class Assets:
    """The assets of one run."""

    store: Store
    run_id: str
    jobs: Executor
    leases: Leases
    snapshot: Snapshot
    emit: Callable[..., None]
    over: Callable[[], str | None] = lambda: None
    """Why nothing more may be done (see `caps`), asked while an asset is made."""
    energy: str = COUNTERS

    def ensure(self, asset: PlannedAsset, fresh: bool, limit_s: float) -> str | None:
        """Make it unless it is there; why it could not be made, or None."""
        while fresh or not self._is_made(asset):
            if not self.leases.take(asset.key):
                time.sleep(POLL_S)
                continue
            try:
                if not fresh and self._is_made(asset):
                    return None  # another run made it between the look and the lease
                return self._make(asset, limit_s)
            except BaseException:
                self.jobs.cancel(asset.key)
                raise
            finally:
                self.leases.release(asset.key)
        return None

    def _folder(self, asset: PlannedAsset) -> Path:
        return self.store.root.resolve() / "assets" / asset.key

    def _is_made(self, asset: PlannedAsset) -> bool:
        """Whether it is there, and its files are what was made."""
        record, folder = self.store.latest("asset", asset.key), self._folder(asset)
        return record is not None and folder.is_dir() and folder_hash(folder)[0] == record.body["sha256"]

    def _make(self, asset: PlannedAsset, limit_s: float) -> str | None:
        self.emit("asset.started", asset.key, asset=asset.spec.name)
        folder = self._folder(asset)
        temporary = folder.with_name(f".{asset.key}.{os.getpid()}")
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        self.jobs.submit(asset.key, self._job(asset, temporary), asset.spec.preload, limit_s)
        end = self._end_of(asset)
        reason = None if end["end"] == Status.DONE else f"asset {asset.spec.name}: {end['reason']}"
        if reason is None:
            shutil.rmtree(folder, ignore_errors=True)
            temporary.rename(folder)
            digest, size = folder_hash(folder)
            body = {"name": asset.spec.name, "usage": end["usage"], "sha256": digest, "bytes": size}
            self.store.append("asset", asset.key, self.run_id, body)
        else:
            shutil.rmtree(temporary, ignore_errors=True)
        self.emit("asset.done", asset.key, asset=asset.spec.name, reason=reason)
        return reason

    def _job(self, asset: PlannedAsset, folder: Path) -> dict[str, Any]:
        return {
            "store": str(self.store.root.resolve()),
            "log": log_file(self.store, asset.key),
            "energy": self.energy,
            "asset": {
                "make": asset.spec.make,
                "folder": str(folder),
                "settings": dict(asset.settings),
                "evidence": asset.is_control,
                "documents": self.snapshot.documents,
                "sets": self.snapshot.trained_on(asset.training),
            },
        }

    def _end_of(self, asset: PlannedAsset) -> dict[str, Any]:
        while True:
            self.leases.renew([asset.key])
            for id, message in self.jobs.messages(POLL_S):
                if id == asset.key and "end" in message:
                    return message
            if reached := self.over():
                self.jobs.cancel(asset.key)
                return {"end": Status.CANCELLED, "reason": reached}


def log_file(store: Store, key: str) -> str:
    """Where what a job prints goes."""
    return str(store.root.resolve() / "logs" / f"{key}.log")
