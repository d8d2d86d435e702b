"""Take an adaptation from a repository into a store, where the command that made it asks it again."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.errors import HarnessError, UsageError
from harness.keys import file_hash, folder_hash
from harness.leases import Leases
from harness.remote.machines import ELSEWHERE
from harness.remote.repositories import MAIN, PULLED, Repositories
from harness.sharing.found import published
from harness.sharing.manifest import FILE, MANIFEST_BYTES, Manifest, read
from harness.sharing.target import Target
from harness.snapshot import artifact_folder, kept_adaptation
from harness.store import Store
from harness.types import Status


@dataclass(frozen=True, slots=True)
class Pulled:
    key: str
    commit: str
    bytes: int
    version: str
    """Of the harness that made it."""
    was_there: bool


def pull(store: Store, source: Target, revision: str = MAIN) -> Pulled:
    """Raises `HarnessError` for what is no adaptation, or not the one that this store has of the same key."""
    repositories = source.opened()
    commit = repositories.pinned(source.name, revision)
    with tempfile.TemporaryDirectory(prefix=".pull-", dir=store.root / "artifacts") as temporary:
        folder = Path(temporary)
        manifest = read(repositories.fetch(source.name, commit, FILE, folder, MANIFEST_BYTES).read_bytes())
        (folder / FILE).unlink()
        size = sum(entry.bytes for entry in manifest.files.values())
        if _has(store, manifest):
            return Pulled(manifest.key, commit, size, manifest.version, was_there=True)
        _fetch(repositories, source, commit, manifest, folder)
        _keep(store, manifest, folder, f"{source.told}@{commit}")
    return Pulled(manifest.key, commit, size, manifest.version, was_there=False)


def _has(store: Store, manifest: Manifest) -> bool:
    kept = kept_adaptation(store, manifest.key)
    if kept is not None and kept["sha256"] == manifest.sha256:
        return True
    if kept is not None or store.done(manifest.key) is not None:
        raise UsageError(
            f"store {store.root} has made this adaptation itself, with other weights: give another --store"
        )
    return False


def _fetch(repositories: Repositories, source: Target, commit: str, manifest: Manifest, folder: Path) -> None:
    for name, entry in manifest.files.items():
        if file_hash(repositories.fetch(source.name, commit, name, folder, entry.bytes)) != entry.sha256:
            raise HarnessError(f"{name} of {source.told} is not what {FILE} says")
    if folder_hash(folder)[0] != manifest.sha256:
        raise HarnessError(f"the files of {source.told} are not what {FILE} says")


def _keep(store: Store, manifest: Manifest, folder: Path, where: str) -> None:
    """As if it had been made here, but for the log, which says where it was."""
    leases, key = Leases(store), manifest.key
    if not leases.take(key):
        raise HarnessError("a run is at this adaptation in the same store: wait for its end")
    try:
        kept = artifact_folder(store, key)
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        for part in folder.iterdir():
            part.rename(kept / part.name)
        _record(store, manifest, kept, where)
    finally:
        leases.release(key)


def _record(store: Store, manifest: Manifest, kept: Path, where: str) -> None:
    log: dict[str, Any] = {**published(manifest.log), PULLED: where}
    size = sum(entry.bytes for entry in manifest.files.values())
    done: dict[str, Any] = {
        "status": Status.DONE,
        "reason": None,
        "usage": {name: asdict(used) for name, used in manifest.usage.items()},
        "log": {**log, "epochs": [asdict(epoch) for epoch in manifest.epochs]},
        "contended": manifest.contended,
    }
    if manifest.machine is not None:
        done["log"][ELSEWHERE] = {**manifest.machine.model_dump(), "endpoint": where}
    with store.together():
        store.append(
            "artifact", manifest.key, "", {"folder": str(kept), "sha256": manifest.sha256, "bytes": size, "log": log}
        )
        store.append("cell", manifest.key, "", done)
